-- Transfers under way, as the agent said last.
alter table baremetal_agents add column transfers int not null default 0;
