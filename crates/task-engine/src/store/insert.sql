-- Starts a task, unless its object is held. A subtask on its parent's object shares the parent's hold.
, n AS (
    SELECT v.*, v.holds AND NOT EXISTS (
        SELECT FROM tasks p
        WHERE p.id = v.parent_id AND p.obj_type = v.obj_type AND p.obj_id = v.obj_id AND p.ended_at IS NULL
    ) AS own_hold
    FROM input, jsonb_to_record(p) AS v (
        id uuid, name text, data jsonb, stage jsonb, stage_name text, limit_ms bigint, delay_ms bigint,
        obj_type text, obj_id uuid, holds boolean, parent_id uuid, request_id text, created_by jsonb, cause jsonb,
        traceparent text)
), inserted AS (
    INSERT INTO tasks (id, name, data, state, stage, stage_name, stage_started, stage_deadline,
                       obj_type, obj_id, holds, parent_id, request_id, created_by,
                       operation, sequence, run_at, cause, created_at, ended_at, traceparent)
    -- a unit struct is JSON's null, which the record turned into SQL's
    SELECT id, name, coalesce(data, 'null'), CASE WHEN cause IS NULL THEN 'queued' ELSE 'failed' END, stage, stage_name,
           t.at + delay_ms * interval '1 ms', t.at + (delay_ms + limit_ms) * interval '1 ms',
           obj_type, obj_id, own_hold AND cause IS NULL, parent_id, request_id, created_by,
           -- begins with the task's id: see operation.rs
           (left(id::text, 24) || right(gen_random_uuid()::text, 12))::uuid, nextval('task_sequence'), t.at + delay_ms * interval '1 ms', cause, t.at,
           CASE WHEN cause IS NOT NULL THEN t.at END, traceparent
    FROM n, (SELECT clock_timestamp() AS at) t
    ON CONFLICT DO NOTHING
    RETURNING id, parent_id, ended_at
), counted AS (
    UPDATE tasks SET open_children = open_children + 1
    FROM inserted WHERE tasks.id = inserted.parent_id AND inserted.ended_at IS NULL
)
SELECT id FROM inserted
