alter table baremetal_agents drop column transfers;
