-- The public SSH host key of a session's rescue system, known before it boots.
alter table rescue_sessions add column ssh_host_key text;
