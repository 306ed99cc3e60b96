alter table rescue_sessions drop column ssh_host_key;
