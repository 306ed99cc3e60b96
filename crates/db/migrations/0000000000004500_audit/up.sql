-- Events in chains, one per object: each holds the hash of the one before, so that whoever changes, deletes, inserts or reorders rows is
-- noticed. The trigger makes it in the statement of the insert, whoever writes; the row of the chain's head, locked by that, puts writers in
-- order. Events of before stay as they are: an object's chain begins with its next event.
--
-- hash = SHA-256 over the hash of before (32 zero bytes for the first) and the canonical form: `lifeboat-event-1`, then id, obj_type, obj_id,
-- obj_name, action, success, notes, old_status, new_status, user_name, project, source, request_id, task_id and ops_time (in
-- microseconds since 1970), each after a newline, as its length in bytes, a colon, and its text in UTF-8; `-` where there is none.

create table event_chains (
    obj_type       text not null,
    obj_id         uuid not null,
    seq            bigint not null,
    prev_hash      bytea not null,
    hash           bytea not null,
    primary key (obj_type, obj_id)
) with (fillfactor = 70);

-- Whose the object is: who may see it may see all that was done to it, whoever did it.
alter table events
    add column owner text not null default '',
    add column seq bigint,
    add column prev_hash bytea,
    add column hash bytea;
update events e set owner = coalesce((select g.project from guests g where g.id = e.obj_id), e.project);
drop index events_project;
create index events_owner on events (owner, id);

create function event_field(value text) returns text language sql immutable parallel safe
    return coalesce(octet_length(value) || ':' || value, '-');

create function chain_event() returns trigger language plpgsql as $$
declare
    canonical bytea;
begin
    new.owner := coalesce((select g.project from guests g where g.id = new.obj_id), new.project);
    canonical := convert_to(concat_ws(E'\n', 'lifeboat-event-1', event_field(new.id::text), event_field(new.obj_type),
        event_field(new.obj_id::text), event_field(new.obj_name), event_field(new.action), event_field(new.success::text),
        event_field(new.notes), event_field(new.old_status), event_field(new.new_status), event_field(new.user_name),
        event_field(new.project), event_field(new.source), event_field(new.request_id), event_field(new.task_id::text),
        event_field((extract(epoch from new.ops_time) * 1000000)::bigint::text)), 'UTF8');
    -- Waits for whoever writes to the same chain; the row that it changes then is what they committed.
    insert into event_chains as c (obj_type, obj_id, seq, prev_hash, hash)
        values (new.obj_type, new.obj_id, 1, decode(repeat('00', 32), 'hex'), sha256(decode(repeat('00', 32), 'hex') || canonical))
        on conflict (obj_type, obj_id) do update set seq = c.seq + 1, prev_hash = c.hash, hash = sha256(c.hash || canonical)
        returning seq, prev_hash, hash into new.seq, new.prev_hash, new.hash;
    return new;
end $$;

create trigger events_chain before insert on events for each row execute function chain_event();
