-- $1 operation, $2 completed, failed, or cancelled for one whose turn has not come, $3 reason or
-- NULL, $4 category or NULL.
--
-- One statement, so that an operation never ends without its counts: whoever changes the row
-- does all of it, and everybody else changes nothing.
WITH finished AS (
    UPDATE operations o
    SET status = CASE
            WHEN $2::text = 'failed' THEN 'failed'::operation_status
            WHEN $2::text = 'cancelled' THEN 'cancelled'
            WHEN o.cancel_requested_at IS NOT NULL
                OR EXISTS (SELECT FROM collections c WHERE c.id = o.collection_id AND c.deleted_at IS NOT NULL)
                THEN 'cancelled'
            ELSE 'completed'
        END,
        completed_at = now(),
        updated_at = now(),
        error_message = $3,
        error_category = $4::text::error_category,
        meta = o.meta || (
            SELECT jsonb_build_object(
                'counts', jsonb_build_object(
                    'new', count(*) FILTER (WHERE i.state = 'completed' AND i.is_new IS NOT FALSE),
                    'changed', count(*) FILTER (WHERE i.state = 'completed' AND NOT i.is_new),
                    'unchanged', count(*) FILTER (WHERE i.state = 'unchanged'),
                    'removed', count(*) FILTER (WHERE i.state = 'removed'),
                    'duplicate', count(*) FILTER (WHERE i.state = 'duplicate'),
                    'skipped', count(*) FILTER (WHERE i.state = 'skipped'),
                    'failed', count(*) FILTER (WHERE i.state = 'failed'),
                    'cancelled', count(*) FILTER (WHERE i.state = 'cancelled')
                ),
                -- Of the documents that are searchable by it.
                'chunks', jsonb_build_object(
                    'embedded', coalesce(sum(i.chunk_count - i.reused_chunks) FILTER (WHERE i.state = 'completed'), 0),
                    'reused', coalesce(sum(i.reused_chunks) FILTER (WHERE i.state = 'completed'), 0)
                )
            )
            FROM operation_items i
            WHERE i.operation_id = o.id
        )
    WHERE o.uuid = $1
        AND CASE
            WHEN $2::text = 'failed' THEN o.status IN ('pending', 'processing')
            WHEN $2::text = 'cancelled' THEN o.status = 'pending'
            ELSE o.status = 'processing'
                AND o.scan_finished_at IS NOT NULL
                AND NOT EXISTS (
                    SELECT FROM operation_items i
                    WHERE i.operation_id = o.id AND i.state IN ('listed', 'staged', 'chunked')
                )
                -- A reindex is done when the new index has replaced the old one, or is not wanted.
                AND (
                    o.type <> 'reindex'
                    OR o.meta ? 'replaced'
                    OR o.cancel_requested_at IS NOT NULL
                    OR EXISTS (SELECT FROM collections c WHERE c.id = o.collection_id AND c.deleted_at IS NOT NULL)
                )
        END
    RETURNING o.id, o.uuid, o.collection_id, o.source_id, o.user_id, o.type, o.status, o.created_at,
        o.scan_finished_at, o.started_at, o.completed_at, o.config, o.meta, o.error_message, o.sync_run_id
),
totals AS (
    SELECT
        count(d.id) AS documents,
        count(d.id) FILTER (WHERE d.status = 'failed') AS failed,
        coalesce(sum(d.chunk_count), 0) AS vectors,
        coalesce(sum(d.file_size), 0) AS size_bytes,
        count(d.id) FILTER (WHERE d.source_id = finished.source_id) AS source_documents,
        coalesce(sum(d.file_size) FILTER (WHERE d.source_id = finished.source_id), 0) AS source_size_bytes
    FROM finished
    LEFT JOIN documents d ON d.collection_id = finished.collection_id AND d.status <> 'deleted'
),
collection AS (
    UPDATE collections c
    SET document_count = totals.documents,
        vector_count = totals.vectors,
        total_size_bytes = totals.size_bytes,
        qdrant_staging = CASE WHEN finished.type <> 'reindex' THEN c.qdrant_staging END,
        status = CASE
            WHEN finished.type = 'index' AND finished.status <> 'completed' THEN 'error'::collection_status
            -- Its turn had not come: whatever the collection's status says, it is not about this one.
            WHEN finished.started_at IS NULL THEN c.status
            WHEN totals.failed > 0 THEN 'degraded'
            ELSE 'ready'
        END,
        status_message = CASE
            WHEN finished.type = 'index' AND finished.status <> 'completed'
                THEN coalesce(finished.error_message, 'its set-up was cancelled; adding documents sets it up')
            WHEN finished.started_at IS NULL THEN c.status_message
            WHEN finished.type = 'reindex' AND finished.status = 'failed'
                THEN format('the last reindex failed: %s', finished.error_message)
            WHEN totals.failed > 0 THEN format('%s of %s documents could not be indexed', totals.failed, totals.documents)
        END,
        updated_at = now()
    FROM finished CROSS JOIN totals
    WHERE c.id = finished.collection_id
    RETURNING c.name
),
-- The index of a reindex that came to nothing.
left_over AS (
    INSERT INTO retired_vector_stores (name, collection_id, drop_after)
    SELECT c.qdrant_staging ->> 'vector_store_name', c.id, now()
    FROM finished
    JOIN collections c ON c.id = finished.collection_id
        AND c.qdrant_staging ->> 'operation_id' = finished.uuid::text
    ON CONFLICT (name) DO NOTHING
),
source AS (
    UPDATE collection_sources s
    SET document_count = totals.source_documents,
        size_bytes = totals.source_size_bytes,
        last_run_completed_at = CASE WHEN finished.started_at IS NULL THEN s.last_run_completed_at ELSE finished.completed_at END,
        last_run_status = CASE
            WHEN finished.started_at IS NULL AND finished.status = 'cancelled' THEN s.last_run_status
            WHEN finished.status = 'completed' AND (finished.meta -> 'counts' ->> 'failed')::bigint > 0 THEN 'partial'
            WHEN finished.status = 'completed' THEN 'success'
            ELSE finished.status::text
        END,
        last_error = finished.error_message,
        last_indexed_at = CASE WHEN finished.status = 'completed' THEN finished.completed_at ELSE s.last_indexed_at END,
        updated_at = now()
    FROM finished CROSS JOIN totals
    WHERE s.id = finished.source_id
),
metrics AS (
    INSERT INTO operation_metrics (operation_id, name, value, unit)
    SELECT finished.id, measured.name, measured.value, measured.unit
    FROM finished
    CROSS JOIN LATERAL (
        SELECT
            count(*) FILTER (WHERE i.state = 'completed') AS documents,
            coalesce(sum(i.chunk_count) FILTER (WHERE i.state = 'completed'), 0) AS chunks,
            coalesce(sum(i.reused_chunks) FILTER (WHERE i.state = 'completed'), 0) AS reused_chunks,
            coalesce(sum(i.size_bytes) FILTER (WHERE i.state = 'completed'), 0) AS size_bytes,
            count(i.staged_at) AS read_documents,
            coalesce(sum(i.size_bytes) FILTER (WHERE i.staged_at IS NOT NULL), 0) AS read_bytes,
            max(i.staged_at) AS last_staged_at,
            min(i.staged_at) FILTER (WHERE i.chunked_at IS NOT NULL) AS first_staged_at,
            min(i.chunked_at) AS first_chunked_at,
            max(i.chunked_at) AS last_chunked_at,
            max(i.updated_at) FILTER (WHERE i.state = 'completed') AS last_completed_at
        FROM operation_items i
        WHERE i.operation_id = finished.id
    ) AS work
    CROSS JOIN LATERAL (
        VALUES
            ('waiting_seconds', extract(epoch FROM coalesce(finished.started_at, finished.completed_at) - finished.created_at)::float8, 'seconds'),
            ('duration_seconds', extract(epoch FROM finished.completed_at - coalesce(finished.started_at, finished.completed_at))::float8, 'seconds'),
            -- The stages work side by side: each from its first document to its last.
            ('listing_seconds', extract(epoch FROM finished.scan_finished_at - finished.started_at)::float8, 'seconds'),
            ('reading_seconds', extract(epoch FROM work.last_staged_at - finished.started_at)::float8, 'seconds'),
            ('chunking_seconds', extract(epoch FROM work.last_chunked_at - work.first_staged_at)::float8, 'seconds'),
            ('embedding_seconds', extract(epoch FROM work.last_completed_at - work.first_chunked_at)::float8, 'seconds'),
            ('read_documents', work.read_documents::float8, 'documents'),
            ('read_bytes', work.read_bytes::float8, 'bytes'),
            ('documents', work.documents::float8, 'documents'),
            ('chunks', work.chunks::float8, 'chunks'),
            ('bytes', work.size_bytes::float8, 'bytes'),
            ('embedded_chunks', (work.chunks - work.reused_chunks)::float8, 'chunks'),
            ('reused_chunks', work.reused_chunks::float8, 'chunks')
    ) AS measured (name, value, unit)
    -- A stage that nothing came to took no time.
    WHERE measured.value IS NOT NULL
),
audit AS (
    INSERT INTO collection_audit_log (collection_id, collection_name, operation_id, user_id, action, details)
    SELECT
        finished.collection_id,
        collection.name,
        finished.id,
        finished.user_id,
        'operation_' || finished.status::text,
        jsonb_build_object('operation_id', finished.uuid, 'type', finished.type, 'counts', finished.meta -> 'counts')
    FROM finished CROSS JOIN collection
),
-- Duplicates whose original has other bytes by now: what they hold is not searchable any more,
-- so they are queued to be indexed themselves.
orphans AS (
    SELECT
        d.id, d.source_id, d.uri, coalesce(d.source_metadata ->> 'location', d.file_path) AS location,
        d.file_name, d.file_size, d.mime_type, d.change_hint,
        -- What is staged of the original still has the duplicate's bytes, unless it has changed.
        CASE WHEN original.content_hash = d.content_hash THEN original.id END AS copy_document_id,
        original.generation AS copy_generation
    FROM finished
    JOIN documents d ON d.collection_id = finished.collection_id
        AND d.duplicate_of IS NOT NULL AND d.status = 'completed' AND d.uri IS NOT NULL
    JOIN documents original ON original.id = d.duplicate_of
    -- Also after an operation that was stopped, which may have been about to do it; but whoever stops this
    -- does not get it again.
    WHERE (finished.status = 'completed' OR NOT finished.config ? 'work_list')
        AND NOT EXISTS (SELECT FROM collections c WHERE c.id = finished.collection_id AND c.deleted_at IS NOT NULL)
        AND (original.content_hash IS DISTINCT FROM d.content_hash OR original.status = 'deleted')
        AND NOT EXISTS (
            SELECT FROM operations o
            JOIN operation_items i ON i.operation_id = o.id AND i.uri = d.uri AND i.state = 'listed'
            WHERE o.collection_id = finished.collection_id AND o.status = 'pending'
        )
),
requeued AS (
    INSERT INTO operations (uuid, collection_id, user_id, source_id, type, config)
    SELECT gen_random_uuid(), finished.collection_id, finished.user_id, sources.source_id, 'append',
        '{"work_list": "given", "reason": "the documents that these were duplicates of have changed or are gone"}'
    FROM finished CROSS JOIN (SELECT DISTINCT source_id FROM orphans) AS sources
    RETURNING id, source_id
),
requeued_items AS (
    INSERT INTO operation_items (
        operation_id, uri, location, file_name, size_bytes, mime_type, change_hint, document_id,
        copy_document_id, copy_generation
    )
    SELECT requeued.id, orphans.uri, orphans.location, orphans.file_name, orphans.file_size,
        orphans.mime_type, orphans.change_hint, orphans.id, orphans.copy_document_id, orphans.copy_generation
    FROM orphans
    JOIN requeued ON requeued.source_id IS NOT DISTINCT FROM orphans.source_id
)
SELECT
    collection_id AS "collection_id!",
    type::text AS "operation_type!",
    status::text AS "status!",
    completed_at AS "completed_at!",
    sync_run_id
FROM finished
UNION ALL
-- A reindex whose documents are all in the new index: it has not ended, and somebody must be told.
SELECT o.collection_id, o.type::text, o.status::text, now(), NULL
FROM operations o
WHERE o.uuid = $1
    AND $2::text = 'completed'
    AND o.type = 'reindex'
    AND o.status = 'processing'
    AND o.scan_finished_at IS NOT NULL
    AND NOT EXISTS (
        SELECT FROM operation_items i
        WHERE i.operation_id = o.id AND i.state IN ('listed', 'staged', 'chunked')
    )
    AND NOT EXISTS (SELECT FROM finished)
