-- How far the downloads of tasks at work are, as their hosts said last. Worth nothing after a crash: the hosts are asked again.
create unlogged table task_progress (
    task_id uuid primary key,
    operation uuid not null,
    text text not null,
    bytes bigint not null,
    bytes_total bigint not null,
    at timestamptz not null default now()
);
