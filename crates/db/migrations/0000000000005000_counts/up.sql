-- How many live guests each project has, so that a list need not count them. In slots, so that transactions that create guests at the
-- same time seldom wait for each other: a slot alone means nothing, the sum is exact in the view of each transaction.
create table guest_counts (
    project text not null,
    slot    int not null,
    n       bigint not null,
    primary key (project, slot)
) with (fillfactor = 50);

create function guests_added() returns trigger language plpgsql as $$
begin
    insert into guest_counts as c
    select project, pg_backend_pid() % 16, count(*) from added where deleted_at is null group by project
    on conflict (project, slot) do update set n = c.n + excluded.n;
    return null;
end $$;

create function guest_moved() returns trigger language plpgsql as $$
begin
    if old.deleted_at is null then
        insert into guest_counts as c values (old.project, pg_backend_pid() % 16, -1)
        on conflict (project, slot) do update set n = c.n + excluded.n;
    end if;
    if tg_op = 'UPDATE' and new.deleted_at is null then
        insert into guest_counts as c values (new.project, pg_backend_pid() % 16, 1)
        on conflict (project, slot) do update set n = c.n + excluded.n;
    end if;
    return null;
end $$;

create trigger guests_added after insert on guests referencing new table as added
    for each statement execute function guests_added();
create trigger guests_moved after update on guests for each row
    when (old.deleted_at is distinct from new.deleted_at or old.project is distinct from new.project)
    execute function guest_moved();
create trigger guests_gone after delete on guests for each row execute function guest_moved();

insert into guest_counts select project, 0, count(*) from guests where deleted_at is null group by project;
