-- What the verbs of servers need: a description, disks that no server has, snapshots, tickets for consoles.

alter table guests add column description text not null default '';

-- Disks that were taken from their servers. Their images stay on the host they were on.
create table detached_disks (
    id             uuid primary key,
    -- As the server's desc had it.
    disk           jsonb not null,
    project        text not null,
    host_id        uuid not null references hosts,
    -- The server it was taken from, which need not exist any more: its host knows the image under this server.
    last_guest_id  uuid not null references guests,
    -- ready, attaching, deleting, delete_failed
    status         text not null,
    -- Of one that is being attached: to which server.
    attaching_to   uuid references guests,
    created_at     timestamptz not null,
    detached_at    timestamptz not null default now()
);

drop view guest_disks;
-- The disks in the guests' descs, and those that no guest has.
create view guest_disks as
    select (d ->> 'id')::uuid as id, d ->> 'serial' as serial, (d ->> 'index')::int as index, d ->> 'driver' as driver,
           d ->> 'format' as format, (d ->> 'size_mib')::bigint as size_mib, d ->> 'image' as image, 'in_use' as status,
           g.id as guest_id, g.name as guest, g.project as project, g.host_id as host_id, g.created_at as created_at
    from guests g cross join lateral jsonb_array_elements(g."desc" -> 'disks') d
    where g.deleted_at is null
    union all
    select id, disk ->> 'serial', null, disk ->> 'driver', disk ->> 'format', (disk ->> 'size_mib')::bigint,
           disk ->> 'image', status, null, null, project, host_id, created_at
    from detached_disks;

-- Of all disks of a server at one moment. Where they are kept is the host's business.
create table snapshots (
    id             uuid primary key,
    guest_id       uuid not null references guests,
    name           text not null,
    project        text not null,
    -- creating, create_failed, ready, deleting, delete_failed
    status         text not null,
    status_reason  text,
    description    text not null default '',
    -- The disks at that moment, as the server's desc had them.
    disks          jsonb not null,
    -- Whether the server was on: then its disks are as after a power failure.
    running        boolean not null,
    created_at     timestamptz not null default now()
);
create unique index snapshots_name on snapshots (guest_id, name);

-- Each opens one console once, for a caller that can send no token: a browser.
create table console_tickets (
    -- SHA-256 of the ticket: a row opens nothing.
    hash           bytea primary key,
    guest_id       uuid not null references guests,
    -- console, vnc
    kind           text not null,
    user_name      text not null,
    project        text not null,
    expires_at     timestamptz not null
);
