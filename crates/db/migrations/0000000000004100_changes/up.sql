-- What changed, for those who listen (`GET /stream`). A row says only which task, server or event; readers look at the thing itself.
--
-- Readers go by transaction, not by sequence: a number is drawn before its transaction commits, so a higher one may be seen first. Rows of
-- transactions below `pg_snapshot_xmin` are complete; read in the order of (xid, seq), none of them is ever passed over.
--
-- Not logged: nothing here is worth an fsync. After a crash of the server both tables are empty, and readers see that from the floor.
-- No NOTIFY: at commit it takes a lock that lets one transaction commit at a time. Whoever listens looks ten times a second.

create unlogged table changes (
    xid     xid8 not null default pg_current_xact_id(),
    seq     bigint not null generated always as identity (cache 32),
    -- tasks, servers, events
    kind    text not null,
    -- of an event: what it is about
    id      uuid not null,
    event   bigint,
    at      timestamptz not null default now(),
    primary key (xid, seq)
);

-- Changes of transactions before this one are not kept (any more).
create unlogged table changes_floor (
    one     boolean primary key default true check (one),
    xid     xid8 not null
);
insert into changes_floor (xid) values (pg_current_xact_id());

create function note_task() returns trigger language plpgsql as $$
begin
    insert into changes (kind, id) values ('tasks', new.id);
    return null;
end $$;
create trigger changes_of_new_tasks after insert on tasks for each row execute function note_task();
-- Claims and leases are not news: the condition is looked at without calling the function.
create trigger changes_of_tasks after update on tasks for each row
    when (old.stage_name is distinct from new.stage_name or old.state is distinct from new.state
        or old.cancel_requested is distinct from new.cancel_requested
        or (old.cause is null) is distinct from (new.cause is null) or old.last_error is distinct from new.last_error)
    execute function note_task();

create function note_guest() returns trigger language plpgsql as $$
begin
    insert into changes (kind, id) values ('servers', new.id);
    return null;
end $$;
create trigger changes_of_new_guests after insert on guests for each row execute function note_guest();
create trigger changes_of_guests after update on guests for each row when (old.* is distinct from new.*) execute function note_guest();

create function note_event() returns trigger language plpgsql as $$
begin
    insert into changes (kind, id, event) values ('events', new.obj_id, new.id);
    return null;
end $$;
create trigger changes_of_events after insert on events for each row execute function note_event();
