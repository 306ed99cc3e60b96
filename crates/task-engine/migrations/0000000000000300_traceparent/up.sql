-- The place in a trace (W3C traceparent) at which a task was started: the parent of its steps' spans, whichever process runs them.
-- A version of before neither writes nor reads it.
ALTER TABLE tasks ADD COLUMN traceparent text;
ALTER TABLE tasks_archive ADD COLUMN traceparent text;
