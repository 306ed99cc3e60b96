-- Durable tasks. One row is one task: what it is about, where it stands, who works on it, what it has behind it.
-- At most 32 columns, the limit that diesel is built with.

-- Every operation gets the next number. A host refuses a request with a lower number than it has seen for a guest.
CREATE SEQUENCE task_sequence AS bigint;

CREATE TABLE tasks (
    id              uuid        PRIMARY KEY,
    name            text        NOT NULL,
    -- the task itself, as serde wrote it; never changes
    data            jsonb       NOT NULL,
    state           text        NOT NULL CHECK (state IN
                        ('queued', 'waiting', 'joining', 'succeeded', 'failed', 'cancelled', 'blocked')),

    -- what is about to be done, or being done
    stage           jsonb       NOT NULL,
    stage_name      text        NOT NULL,
    stage_started   timestamptz NOT NULL,
    stage_deadline  timestamptz NOT NULL,
    -- how often the present stage was begun
    attempts        integer     NOT NULL DEFAULT 0,
    -- the transient error that the present stage met last: {count, error}; the reason of `blocked`
    last_error      jsonb,

    -- what it is about; with `holds` nobody else may hold the same object while this task lives
    obj_type        text,
    obj_id          uuid,
    holds           boolean     NOT NULL DEFAULT false,
    parent_id       uuid        REFERENCES tasks (id),
    open_children   integer     NOT NULL DEFAULT 0,
    request_id      text,
    created_by      jsonb,

    -- the operation of the present stage, and its outcome once it was reported
    operation       uuid        NOT NULL,
    sequence        bigint      NOT NULL,
    outcome         jsonb,

    -- the claim: who works on it until when. The generation rises with each claim and fences every save
    generation      bigint      NOT NULL DEFAULT 0,
    lease_until     timestamptz,
    worker          text,
    run_at          timestamptz NOT NULL,

    -- set once the task is on its way back: {at, error}
    cause           jsonb,
    -- set while `failed` is to be called: {at, error, calls}
    failing         jsonb,
    cancel_requested boolean    NOT NULL DEFAULT false,
    result          jsonb,
    -- [{stage, started, ended, attempts, way_back, error?}]
    history         jsonb       NOT NULL DEFAULT '[]',

    created_at      timestamptz NOT NULL DEFAULT now(),
    ended_at        timestamptz,

    CHECK ((obj_type IS NULL) = (obj_id IS NULL)),
    CHECK (obj_id IS NOT NULL OR NOT holds),
    CHECK ((ended_at IS NOT NULL) = (state IN ('succeeded', 'failed', 'cancelled')))
) WITH (fillfactor = 70);

CREATE UNIQUE INDEX tasks_one_holder ON tasks (obj_type, obj_id) WHERE holds AND ended_at IS NULL;
CREATE INDEX tasks_due ON tasks (GREATEST(run_at, lease_until)) WHERE state IN ('queued', 'waiting');
CREATE INDEX tasks_operation ON tasks (operation) WHERE ended_at IS NULL;
CREATE INDEX tasks_object ON tasks (obj_type, obj_id, created_at);
CREATE INDEX tasks_parent ON tasks (parent_id) WHERE parent_id IS NOT NULL;
CREATE INDEX tasks_ended ON tasks (ended_at) WHERE ended_at IS NOT NULL;
CREATE INDEX tasks_created ON tasks (created_at, id);

-- Finished tasks move here by age; same shape, no rules.
CREATE TABLE tasks_archive (LIKE tasks);
CREATE INDEX tasks_archive_id ON tasks_archive (id);
CREATE INDEX tasks_archive_object ON tasks_archive (obj_type, obj_id, created_at);
