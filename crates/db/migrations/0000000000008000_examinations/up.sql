-- What rescue systems found, and what was repaired.

-- One answer of a rescue system: a diagnosis, or the report of a repair. It goes with its session.
create table rescue_examinations (
    id             uuid primary key,
    session_id     uuid not null references rescue_sessions on delete cascade,
    -- diagnosis | repair
    kind           text not null,
    user_name      text not null,
    task_id        uuid not null,
    at             timestamptz not null default now(),
    -- types::diagnosis::Diagnosis or RepairReport
    report         jsonb not null
);
create index rescue_examinations_by_session on rescue_examinations (session_id, at);
