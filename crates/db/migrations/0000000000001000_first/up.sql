-- Region's own tables. Tasks are the engine's, in migrations of its own.

create table hosts (
    id             uuid primary key,
    name           text not null unique,
    zone           text not null,
    endpoint       text not null,
    version        text not null,
    arch           text not null,
    accelerator    text not null,
    qemu_versions  jsonb not null,
    cpus           int not null,
    memory_mib     bigint not null,
    memory_free_mib bigint not null default 0,
    storage_free_mib bigint not null default 0,
    enabled        boolean not null default true,
    last_heartbeat timestamptz not null,
    created_at     timestamptz not null default now()
);

create table baremetal_agents (
    id             uuid primary key,
    name           text not null unique,
    zone           text not null,
    http_endpoint  text not null,
    tftp_endpoint  text not null,
    version        text not null,
    -- What it serves and region has verified.
    images         jsonb not null,
    enabled        boolean not null default true,
    draining       boolean not null default false,
    last_heartbeat timestamptz not null,
    created_at     timestamptz not null default now()
);

create table guests (
    id             uuid primary key,
    name           text not null,
    project        text not null,
    -- The lifecycle: region writes it.
    status         text not null,
    status_reason  text,
    -- What the host observes: only its reports write it.
    power_state    text not null,
    power_changed_at timestamptz not null default now(),
    host_id        uuid not null references hosts,
    hypervisor     text not null,
    vcpu_count     int not null,
    vmem_size      int not null,
    -- What its host was asked to create.
    "desc"         jsonb not null,
    metadata       jsonb not null default '{}',
    rescue_session_id uuid,
    created_at     timestamptz not null default now(),
    updated_at     timestamptz not null default now(),
    update_version bigint not null default 0,
    deleted_at     timestamptz
);
create unique index guests_name on guests (project, name) where deleted_at is null;
create index guests_by_name on guests (name) where deleted_at is null;
create index guests_created on guests (created_at, id) where deleted_at is null;
create index guests_host on guests (host_id) where deleted_at is null;

create table rescue_sessions (
    id             uuid primary key,
    guest_id       uuid not null references guests,
    state          text not null,
    image          jsonb not null,
    disk_mode      text not null,
    reason         text,
    user_name      text not null,
    prior_status   text not null,
    stop_how       text,
    stop_seconds   double precision,
    ready          jsonb,
    is_ready       boolean not null default false,
    boot           int not null default 0,
    -- SSH keys and password hash, encrypted; gone when the session ends.
    credentials    bytea,
    password_shown boolean not null default false,
    -- Digest of the desc of before, to compare with what is there afterwards.
    source_sha256  text,
    start_task_id  uuid,
    stop_task_id   uuid,
    started_at     timestamptz not null default now(),
    ready_at       timestamptz,
    expires_at     timestamptz not null,
    ended_at       timestamptz,
    cause          text,
    evidence       jsonb not null default '[]'
);
-- One open session per guest.
create unique index rescue_sessions_open on rescue_sessions (guest_id) where ended_at is null;
create index rescue_sessions_guest on rescue_sessions (guest_id, started_at desc);

create table events (
    id             bigint generated always as identity primary key,
    obj_type       text not null,
    obj_id         uuid not null,
    obj_name       text not null,
    action         text not null,
    success        boolean not null,
    notes          text not null,
    old_status     text,
    new_status     text,
    user_name      text not null,
    project        text not null,
    source         text,
    request_id     text,
    task_id        uuid,
    ops_time       timestamptz not null default now()
);
create index events_object on events (obj_type, obj_id, id desc);

create table projects (
    id             uuid primary key,
    name           text not null unique,
    domain         text not null,
    description    text not null default '',
    created_at     timestamptz not null default now(),
    update_version bigint not null default 0
);

create table roles (
    id             uuid primary key,
    name           text not null unique,
    description    text not null default '',
    created_at     timestamptz not null default now(),
    update_version bigint not null default 0
);

create table users (
    id             uuid primary key,
    name           text not null unique,
    domain         text not null,
    -- argon2id, PHC form.
    password_hash  text not null,
    enabled        boolean not null default true,
    created_at     timestamptz not null default now(),
    update_version bigint not null default 0
);

-- Which roles a user has in which project.
create table assignments (
    user_id        uuid not null references users on delete cascade,
    project_id     uuid not null references projects on delete cascade,
    role           text not null,
    primary key (user_id, project_id, role)
);

-- What the roles may do. The built-in ones are not here.
create table policies (
    id             uuid primary key,
    name           text not null unique,
    scope          text not null,
    -- Names of roles.
    roles          jsonb not null,
    -- A tree of allow and deny: service, resource, action, extra.
    rules          jsonb not null,
    enabled        boolean not null default true,
    description    text not null default '',
    created_at     timestamptz not null default now(),
    update_version bigint not null default 0
);

create table tokens (
    -- SHA-256 of the token: a row can't be used to log in.
    hash           bytea primary key,
    user_id        uuid not null references users on delete cascade,
    -- What it is scoped to; null: nothing.
    project_id     uuid references projects on delete cascade,
    issued_at      timestamptz not null default now(),
    expires_at     timestamptz not null,
    revoked_at     timestamptz
);
create index tokens_expiry on tokens (expires_at);
create index tokens_user on tokens (user_id);

create table idempotency_keys (
    user_name      text not null,
    key            text not null,
    -- SHA-256 of method, path and body: another request under the same key is an error.
    request        bytea not null,
    status         int not null,
    -- The answer, without secrets.
    answer         jsonb not null,
    created_at     timestamptz not null default now(),
    primary key (user_name, key)
);
create index idempotency_keys_created on idempotency_keys (created_at);

-- What agents offer, one row per image, with the agents that serve it.
create view rescue_images as
    select md5(i ->> 'name' || ' ' || (i ->> 'version') || ' ' || (i ->> 'serial') || ' ' || (i ->> 'arch'))::uuid as id,
           i ->> 'name' as name, i ->> 'version' as version, (i ->> 'serial')::bigint as serial, i ->> 'arch' as arch,
           min(i::text)::jsonb as image, jsonb_agg(a.name order by a.name) as agents
    from baremetal_agents a cross join lateral jsonb_array_elements(a.images) i
    where a.enabled and not a.draining
    group by 1, 2, 3, 4, 5;

-- The disks in the guests' descs.
create view guest_disks as
    select (d ->> 'id')::uuid as id, d ->> 'serial' as serial, (d ->> 'index')::int as index, d ->> 'driver' as driver,
           d ->> 'format' as format, (d ->> 'size_mib')::bigint as size_mib, d ->> 'image' as image,
           g.id as guest_id, g.name as guest, g.project as project, g.host_id as host_id, g.created_at as created_at
    from guests g cross join lateral jsonb_array_elements(g."desc" -> 'disks') d
    where g.deleted_at is null;
