-- Of sessions with disk mode `overlay`: what becomes of what was written. Words: commit, discard.
alter table rescue_sessions
    -- When the session ends by itself.
    add column on_expiry text,
    -- As it was last decided; null: it has not been.
    add column overlay_end text;
