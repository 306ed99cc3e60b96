-- What lists need: every list that grows is served by an index, in its own order.

-- Events of an object (an id is of one kind only), of a project, of a time.
drop index events_object;
create index events_object on events (obj_id, id);
create index events_project on events (project, id);
create index events_time on events using brin (ops_time) with (pages_per_range = 32);

-- Servers of a project, newest first.
create index guests_project on guests (project, created_at, id) where deleted_at is null;

create index rescue_sessions_started on rescue_sessions (started_at, id);
create index rescue_sessions_expiry on rescue_sessions (expires_at) where ended_at is null;

-- The archive is written in batches and never changed, so indexes cost little there.
create index tasks_archive_created on tasks_archive (created_at, id);
create index tasks_archive_parent on tasks_archive (parent_id) where parent_id is not null;

-- Since when a host is silent (set and cleared by a scan, with an event), and when its program told of itself last.
alter table hosts add column offline_since timestamptz;
alter table hosts add column registered_at timestamptz not null default now();
