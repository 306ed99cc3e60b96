drop trigger events_chain on events;
drop function chain_event(), event_field(text);
drop index events_owner;
create index events_project on events (project, id);
alter table events drop column hash, drop column prev_hash, drop column seq, drop column owner;
drop table event_chains;
