-- $1 sync run.
--
-- Counts how the run's operations have ended, and ends the run if all of them have. Run it after the
-- statement that ended an operation, with the collection locked: of two operations that end concurrently, the
-- later one then sees the other.
WITH sources AS (
    SELECT
        o.id,
        coalesce(o.config ->> 'source_path', o.type::text) AS name,
        o.error_message,
        counts.failed,
        counts.total,
        CASE
            WHEN o.status IN ('pending', 'processing') THEN 'open'
            WHEN o.status = 'cancelled' THEN 'cancelled'
            WHEN o.status = 'failed' OR (counts.total > 0 AND counts.failed = counts.total) THEN 'failed'
            WHEN counts.failed > 0 THEN 'partial'
            ELSE 'completed'
        END AS outcome
    FROM operations o
    CROSS JOIN LATERAL (
        SELECT
            coalesce(sum(per_state.items::bigint), 0) AS total,
            coalesce(sum(per_state.items::bigint) FILTER (WHERE per_state.state = 'failed'), 0) AS failed
        FROM jsonb_each_text(coalesce(o.meta -> 'counts', '{}')) AS per_state (state, items)
    ) AS counts
    WHERE o.sync_run_id = $1
),
totals AS (
    SELECT
        count(*) FILTER (WHERE outcome = 'open') AS open,
        count(*) FILTER (WHERE outcome = 'completed') AS completed,
        count(*) FILTER (WHERE outcome = 'failed') AS failed,
        count(*) FILTER (WHERE outcome = 'partial') AS partial,
        left(
            string_agg(
                CASE
                    WHEN outcome = 'cancelled' THEN format('%s: cancelled', name)
                    WHEN error_message IS NOT NULL THEN format('%s: %s', name, error_message)
                    ELSE format('%s: %s of %s documents could not be indexed', name, failed, total)
                END,
                '; ' ORDER BY id
            ) FILTER (WHERE outcome IN ('failed', 'partial', 'cancelled')),
            2000
        ) AS error_summary
    FROM sources
),
run AS (
    UPDATE collection_sync_runs r
    SET completed_sources = totals.completed,
        failed_sources = totals.failed,
        partial_sources = totals.partial,
        error_summary = totals.error_summary,
        completed_at = CASE WHEN totals.open = 0 THEN now() END,
        status = CASE
            WHEN totals.open > 0 THEN 'running'
            WHEN totals.completed = r.expected_sources THEN 'success'
            WHEN totals.completed + totals.partial > 0 THEN 'partial'
            WHEN totals.failed > 0 THEN 'failed'
            ELSE 'cancelled'
        END
    FROM totals
    WHERE r.id = $1 AND r.status = 'running'
    RETURNING r.collection_id, r.completed_at, r.status, r.error_summary
),
collection AS (
    UPDATE collections c
    SET sync_last_run_completed_at = run.completed_at, sync_last_run_status = run.status,
        sync_last_error = run.error_summary, updated_at = now()
    FROM run
    WHERE c.id = run.collection_id AND run.completed_at IS NOT NULL
)
SELECT status AS "status!" FROM run WHERE completed_at IS NOT NULL
