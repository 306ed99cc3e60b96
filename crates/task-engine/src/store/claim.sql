-- A claimed task is hidden until its lease is over. There are never many: each of them has a worker.
, due AS MATERIALIZED (
    SELECT t.id FROM tasks t
    WHERE t.state IN ('queued', 'waiting')
      AND t.run_at <= now()
      AND (t.lease_until IS NULL OR t.lease_until <= now())
      AND t.name = ANY (ARRAY(SELECT jsonb_array_elements_text(p -> 'names') FROM input))
    ORDER BY t.run_at
    LIMIT (SELECT (p ->> 'limit')::bigint FROM input)
    FOR UPDATE SKIP LOCKED
)
UPDATE tasks t SET
    generation = t.generation + 1,
    attempts = t.attempts + 1,
    worker = input.p ->> 'worker',
    lease_until = clock_timestamp() + (input.p ->> 'lease_ms')::bigint * interval '1 ms'
FROM due, input
WHERE t.id = due.id
RETURNING t.id, t.name, t.data, t.stage, t.stage_name, t.stage_started, t.stage_deadline,
    (extract(epoch FROM t.stage_deadline - clock_timestamp()) * 1000)::bigint,
    t.attempts, t.last_error, t.obj_type, t.obj_id, t.parent_id, t.request_id, t.created_by, t.operation, t.sequence,
    t.outcome, t.generation, t.cause, t.failing, t.cancel_requested,
    CASE WHEN t.history = '[]' THEN 0
        ELSE jsonb_array_length(jsonb_path_query_array(t.history, '$[*] ? (exists(@.error))')) END::bigint,
    t.created_at, t.traceparent
