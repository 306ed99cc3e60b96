DROP TABLE tasks_archive;
DROP TABLE tasks;
DROP SEQUENCE task_sequence;
