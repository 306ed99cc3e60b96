DROP INDEX tasks_object;
CREATE INDEX tasks_object ON tasks (obj_type, obj_id, created_at);
ALTER TABLE tasks SET (fillfactor = 70);
DROP INDEX tasks_joining;
DROP INDEX tasks_due;
CREATE INDEX tasks_due ON tasks (GREATEST(run_at, lease_until)) WHERE state IN ('queued', 'waiting');
CREATE INDEX tasks_operation ON tasks (operation) WHERE ended_at IS NULL;
