-- $1 collection, $2 scheduler or manual, $3 the user who starts it or NULL, $4 the user the operations belong
-- to.
--
-- Returns no row if the collection is deleted, has no sources to read, or has a running sync run.
WITH sources AS (
    SELECT s.id, s.source_type, s.source_path, s.source_config
    FROM collection_sources s
    JOIN collections c ON c.id = s.collection_id
    -- Uploads and pushes are announced by events; there is nothing to list.
    WHERE s.collection_id = $1 AND s.source_type NOT IN ('upload', 'push') AND c.deleted_at IS NULL
        -- The schedule leaves out what could not be read lately; a user's request does not.
        AND ($2 <> 'scheduler' OR NOT EXISTS (
            SELECT FROM source_failures f WHERE f.source_id = s.id AND f.not_before > now()
        ))
),
run AS (
    INSERT INTO collection_sync_runs (collection_id, triggered_by, user_id, expected_sources)
    SELECT $1, $2, $3, count(*) FROM sources HAVING count(*) > 0
    ON CONFLICT (collection_id) WHERE status = 'running' DO NOTHING
    RETURNING *
),
queued AS (
    INSERT INTO operations (uuid, collection_id, user_id, source_id, sync_run_id, type, config)
    SELECT gen_random_uuid(), run.collection_id, $4, sources.id, run.id, 'append',
        jsonb_build_object(
            'source_type', sources.source_type,
            'source_path', sources.source_path,
            'source_config', sources.source_config
        )
    FROM run CROSS JOIN sources
    ORDER BY sources.id
    RETURNING id, uuid
),
collection AS (
    UPDATE collections c
    SET sync_last_run_started_at = run.started_at, sync_last_run_completed_at = NULL,
        sync_last_run_status = run.status, sync_last_error = NULL, updated_at = now()
    FROM run
    WHERE c.id = run.collection_id
)
SELECT
    run.id,
    run.collection_id,
    run.triggered_by,
    run.user_id,
    run.status,
    run.started_at,
    run.completed_at,
    run.expected_sources,
    run.completed_sources,
    run.failed_sources,
    run.partial_sources,
    run.error_summary,
    (SELECT queued.uuid FROM queued ORDER BY queued.id LIMIT 1) AS "first_operation!"
FROM run
