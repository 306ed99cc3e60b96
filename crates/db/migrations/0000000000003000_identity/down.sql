alter table policies drop column built_in;
alter table roles drop column built_in;
drop index projects_by_name, users_by_name;
alter table projects drop constraint projects_domain, drop constraint projects_name, add constraint projects_name_key unique (name);
alter table users drop column description, drop constraint users_domain, drop constraint users_name, add constraint users_name_key unique (name);
drop table domains;
