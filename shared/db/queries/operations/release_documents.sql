-- $1 items that ended early, $2 failed or cancelled, $3 reason or NULL, $4 category or NULL.
--
-- Must be a statement of its own after the one that ended the items: a document that was registered while
-- that statement waited for its item is visible only now.
UPDATE documents d
SET status = CASE
        -- A searchable version stays searchable.
        WHEN d.status = 'completed' THEN d.status
        WHEN $2::text = 'failed' THEN 'failed'
        -- It was being retried; it is failed as before.
        WHEN d.error_category IS NOT NULL THEN 'failed'
        WHEN d.chunk_count > 0 THEN 'completed'
        ELSE 'cancelled'
    END,
    error_message = CASE WHEN $2::text = 'failed' AND d.status <> 'completed' THEN $3 ELSE d.error_message END,
    error_category = CASE WHEN $2::text = 'failed' AND d.status <> 'completed' THEN $4::text::error_category ELSE d.error_category END,
    -- A version that is not indexed does not claim its bytes.
    content_hash = NULL,
    updated_at = now()
FROM operation_items i
WHERE i.id = ANY ($1)
    AND NOT i.is_reindex
    AND d.id = i.document_id
    AND (
        d.status IN ('pending', 'processing')
        OR (
            d.status = 'completed' AND d.last_generation > d.generation AND d.content_hash = i.content_hash
        )
    )
