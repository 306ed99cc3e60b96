drop table idempotency_keys, tokens, users, events, rescue_sessions, guests, baremetal_agents, hosts;
