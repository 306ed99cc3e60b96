alter table rescue_sessions drop column network;
