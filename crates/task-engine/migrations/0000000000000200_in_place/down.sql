CREATE INDEX tasks_operation ON tasks (operation) WHERE ended_at IS NULL;
DROP INDEX tasks_joining;
