alter table console_tickets drop column token_hash, drop column caller, drop column ends_at;
