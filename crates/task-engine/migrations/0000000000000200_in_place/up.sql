-- An operation's id begins with its task's: reports find their row by the primary key, and a save that changes no index writes in place.
DROP INDEX tasks_operation;
-- For the sweep behind parents whose children have ended.
CREATE INDEX tasks_joining ON tasks (id) WHERE state = 'joining';
