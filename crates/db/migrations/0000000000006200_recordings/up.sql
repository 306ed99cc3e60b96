-- Recordings of consoles.

-- One opened serial console of a server in rescue: what it showed, never what was typed. The server may be gone.
create table console_recordings (
    id             uuid primary key,
    guest_id       uuid not null,
    guest_name     text not null,
    project        text not null,
    -- The rescue session that the server was in.
    session_id     uuid,
    user_name      text not null,
    source         text,
    started_at     timestamptz not null default now(),
    -- Null while it is at work; the chunks say how far it has come.
    ended_at       timestamptz,
    -- Of the whole, in milliseconds.
    duration_ms    bigint not null default 0,
    -- Of what is kept, the header not counted.
    bytes          bigint not null default 0,
    -- It reached the limit of size, or some of it was lost: the rest is good.
    is_whole       boolean not null default true,
    -- When its region last wrote; one that has fallen silent is closed by the others.
    written_at     timestamptz not null default now()
);
create index console_recordings_by_guest on console_recordings (guest_id, started_at);
create index console_recordings_by_session on console_recordings (session_id) where session_id is not null;
create index console_recordings_by_age on console_recordings (started_at);
create index console_recordings_open on console_recordings (written_at) where ended_at is null;

-- Whole lines of asciicast: whatever is there can be replayed.
create table console_recording_chunks (
    recording_id   uuid not null references console_recordings on delete cascade,
    seq            integer not null,
    lines          text not null,
    primary key (recording_id, seq)
);
