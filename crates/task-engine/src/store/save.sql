-- One row per element of the input. Every save either begins a new operation, or gives back the claim, or both:
-- so the fence lets each through once.
, v AS (
    SELECT v.*, clock_timestamp() AS at FROM input, jsonb_to_recordset(p) AS v (
        id uuid, generation bigint, operation uuid, state text, stage jsonb, stage_name text,
        closes boolean, starts boolean, new_operation uuid, limit_ms bigint, deadline timestamptz, delay_ms bigint,
        keeps boolean, saw_outcome boolean, saw_cancel boolean,
        last_error jsonb, cause jsonb, failing jsonb, result jsonb)
), saved AS (
    UPDATE tasks t SET
        state = CASE WHEN v.state = 'joining' AND t.open_children <= 0 THEN 'queued' ELSE v.state END,
        stage = v.stage,
        stage_name = v.stage_name,
        history = CASE WHEN NOT v.closes THEN t.history
            ELSE t.history || jsonb_build_array(jsonb_strip_nulls(jsonb_build_object(
                'stage', t.stage_name, 'started', t.stage_started, 'ended', v.at, 'attempts', t.attempts,
                'way_back', t.cause IS NOT NULL, 'error', coalesce(v.failing -> 'error', v.last_error -> 'error'))))
            END,
        stage_started = CASE WHEN v.starts THEN v.at ELSE t.stage_started END,
        stage_deadline = coalesce(v.deadline,
            CASE WHEN v.starts THEN v.at ELSE t.stage_started END + v.limit_ms * interval '1 ms',
            t.stage_deadline),
        attempts = CASE WHEN NOT v.starts THEN t.attempts WHEN v.keeps THEN 1 ELSE 0 END,
        last_error = v.last_error,
        operation = coalesce(v.new_operation, t.operation),
        sequence = CASE WHEN v.new_operation IS NOT NULL THEN nextval('task_sequence') ELSE t.sequence END,
        outcome = CASE WHEN v.new_operation IS NULL THEN t.outcome END,
        lease_until = CASE WHEN v.keeps THEN t.lease_until END,
        worker = CASE WHEN v.keeps THEN t.worker END,
        run_at = CASE
            WHEN v.keeps THEN t.run_at
            -- what came while the step ran and was not shown to it
            WHEN v.new_operation IS NULL AND t.outcome IS NOT NULL AND NOT v.saw_outcome THEN v.at
            WHEN t.cancel_requested AND NOT v.saw_cancel THEN v.at
            WHEN v.state = 'waiting' THEN LEAST(v.at + v.delay_ms * interval '1 ms', GREATEST(v.at,
                coalesce(v.deadline,
                    CASE WHEN v.starts THEN v.at ELSE t.stage_started END + v.limit_ms * interval '1 ms',
                    t.stage_deadline)))
            ELSE v.at + v.delay_ms * interval '1 ms' END,
        cause = coalesce(t.cause, v.cause),
        failing = v.failing,
        result = v.result,
        ended_at = CASE WHEN v.state IN ('succeeded', 'failed', 'cancelled') THEN v.at END
    FROM v
    WHERE t.id = v.id AND t.generation = v.generation AND t.operation = v.operation
      AND t.lease_until IS NOT NULL AND t.ended_at IS NULL
    RETURNING t.id, t.parent_id, t.sequence, t.stage_started, t.stage_deadline, t.cancel_requested, t.state,
        t.ended_at, t.run_at, t.lease_until
), parents AS (
    -- The update locks the parent, so the last two children can't both believe that another is left.
    UPDATE tasks p SET
        open_children = GREATEST(p.open_children - c.n, 0),
        state = CASE WHEN p.state = 'joining' AND p.open_children <= c.n THEN 'queued' ELSE p.state END,
        stage_started = CASE WHEN p.state = 'joining' AND p.open_children <= c.n
            THEN clock_timestamp() ELSE p.stage_started END,
        stage_deadline = CASE WHEN p.state = 'joining' AND p.open_children <= c.n
            THEN clock_timestamp() + (p.stage_deadline - p.stage_started) ELSE p.stage_deadline END,
        run_at = CASE WHEN p.state = 'joining' AND p.open_children <= c.n THEN clock_timestamp() ELSE p.run_at END
    FROM (SELECT parent_id, count(*)::integer AS n FROM saved WHERE ended_at IS NOT NULL AND parent_id IS NOT NULL
          GROUP BY parent_id) c
    WHERE p.id = c.parent_id
    RETURNING p.id, p.state
)
SELECT s.id, s.sequence, s.stage_started, s.stage_deadline, s.cancel_requested,
    CASE WHEN s.lease_until IS NULL AND s.state IN ('queued', 'waiting')
        THEN GREATEST((extract(epoch FROM s.run_at - clock_timestamp()) * 1000)::bigint, 0) END,
    EXISTS (SELECT FROM parents p WHERE p.id = s.parent_id AND p.state = 'queued')
FROM saved s
