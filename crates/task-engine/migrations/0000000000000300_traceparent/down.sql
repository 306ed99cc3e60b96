ALTER TABLE tasks_archive DROP COLUMN traceparent;
ALTER TABLE tasks DROP COLUMN traceparent;
