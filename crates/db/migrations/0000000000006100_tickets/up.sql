-- Tickets for consoles are bound to the session that got them.

-- SHA-256 of the token that got the ticket: where that has ended, the ticket opens nothing.
alter table console_tickets add column token_hash bytea;
-- Who got it, where the token is of another identity server: that can't be looked up again, but ends by itself.
alter table console_tickets add column caller jsonb;
alter table console_tickets add column ends_at timestamptz;
