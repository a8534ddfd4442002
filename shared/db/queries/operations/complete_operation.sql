-- Ends an operation whose collection the transaction has locked; changes nothing if the operation is not
-- in a state to end. The caller whose statement returns the row does everything else that belongs to the
-- end, in the same transaction.
--
-- $1 operation, $2 the outcome: completed, failed, or cancelled (of an operation that never ran),
-- $3 error message or NULL, $4 error category or NULL.
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
            -- Chunks of the documents that the operation made searchable.
            'chunks', jsonb_build_object(
                'embedded', coalesce(sum(i.chunk_count - i.reused_chunks) FILTER (WHERE i.state = 'completed'), 0),
                'reused', coalesce(sum(i.reused_chunks) FILTER (WHERE i.state = 'completed'), 0)
            )
        )
        FROM operation_items i
        WHERE i.operation_id = o.id
    ) || (
        -- The numbers of documents with each warning.
        SELECT jsonb_build_object('warnings', coalesce(jsonb_object_agg(counted.code, counted.documents), '{}'))
        FROM (
            SELECT warning ->> 'code' AS code, count(*) AS documents
            FROM operation_items i CROSS JOIN LATERAL jsonb_array_elements(i.warnings) AS warning
            WHERE i.operation_id = o.id AND i.state = 'completed'
            GROUP BY 1
        ) AS counted
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
            -- A reindex ends when the new index has replaced the old one, or when it is cancelled.
            AND (
                o.type <> 'reindex'
                OR o.meta ? 'replaced'
                OR o.cancel_requested_at IS NOT NULL
                OR EXISTS (SELECT FROM collections c WHERE c.id = o.collection_id AND c.deleted_at IS NOT NULL)
            )
    END
RETURNING o.id, o.collection_id, o.type::text AS "operation_type!", o.status::text AS "status!",
    o.completed_at AS "completed_at!", o.sync_run_id
