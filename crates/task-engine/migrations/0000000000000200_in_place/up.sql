-- An operation's id begins with its task's: reports find their row by the primary key, and a save that changes no index writes in place.
DROP INDEX tasks_operation;
-- By due time alone: a claim changes the lease only, and writes in place. What is claimed is passed over while it is due.
DROP INDEX tasks_due;
CREATE INDEX tasks_due ON tasks (run_at) WHERE state IN ('queued', 'waiting');
-- For the sweep behind parents whose children have ended.
CREATE INDEX tasks_joining ON tasks (id) WHERE state = 'joining';
-- A stage is saved beside the one before only where its page has room, and all rows of a page are at work at the same time.
ALTER TABLE tasks SET (fillfactor = 40);
-- Many tasks are about nothing that has an id.
DROP INDEX tasks_object;
CREATE INDEX tasks_object ON tasks (obj_type, obj_id, created_at) WHERE obj_id IS NOT NULL;
