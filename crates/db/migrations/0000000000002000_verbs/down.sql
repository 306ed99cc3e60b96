drop view guest_disks;
drop table console_tickets, snapshots, detached_disks;
alter table guests drop column description;
create view guest_disks as
    select (d ->> 'id')::uuid as id, d ->> 'serial' as serial, (d ->> 'index')::int as index, d ->> 'driver' as driver,
           d ->> 'format' as format, (d ->> 'size_mib')::bigint as size_mib, d ->> 'image' as image,
           g.id as guest_id, g.name as guest, g.project as project, g.host_id as host_id, g.created_at as created_at
    from guests g cross join lateral jsonb_array_elements(g."desc" -> 'disks') d
    where g.deleted_at is null;
