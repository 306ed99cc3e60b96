-- What the rescue system of a session may reach.
alter table rescue_sessions add column network text not null default 'full';
