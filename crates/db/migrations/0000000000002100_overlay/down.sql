alter table rescue_sessions drop column overlay_end, drop column on_expiry;
