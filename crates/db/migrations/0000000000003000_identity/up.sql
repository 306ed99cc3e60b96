-- Domains, and names that are unique within one. Elsewhere (servers, events, tasks) a project is known by its key: its name in the domain
-- Default, `domain/name` in any other; no name holds a slash.

create table domains (
    id             uuid primary key,
    name           text not null unique,
    description    text not null default '',
    enabled        boolean not null default true,
    created_at     timestamptz not null default now(),
    update_version bigint not null default 0
);
insert into domains (id, name, description)
    values ('00000000-0000-7000-8000-000000000001', 'Default', 'What every installation begins with');
insert into domains (id, name)
    select gen_random_uuid(), d.domain from (select domain from users union select domain from projects) d
    where d.domain <> 'Default';

alter table users
    drop constraint users_name_key,
    add constraint users_name unique (domain, name),
    add constraint users_domain foreign key (domain) references domains (name),
    add column description text not null default '';
create index users_by_name on users (name);
alter table projects
    drop constraint projects_name_key,
    add constraint projects_name unique (domain, name),
    add constraint projects_domain foreign key (domain) references domains (name);
create index projects_by_name on projects (name);

update guests g set project = p.domain || '/' || p.name from projects p where p.name = g.project and p.domain <> 'Default';
update events e set project = p.domain || '/' || p.name from projects p where p.name = e.project and p.domain <> 'Default';

-- Roles and policies that are part of the program are rows too, written at each start, so that they are listed. What they allow is taken
-- from the program, never from the rows.
alter table roles add column built_in boolean not null default false;
alter table policies add column built_in boolean not null default false;
