drop view guest_disks, rescue_images;
drop table idempotency_keys, tokens, policies, assignments, users, roles, projects, events, rescue_sessions, guests, baremetal_agents, hosts;
