-- The end of the session that those inside were told of; another end is told anew.
alter table rescue_sessions add column noticed_for timestamptz;
