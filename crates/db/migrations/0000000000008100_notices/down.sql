alter table rescue_sessions drop column noticed_for;
