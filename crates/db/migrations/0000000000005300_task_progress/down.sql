drop table task_progress;
