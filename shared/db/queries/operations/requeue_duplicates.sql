-- Queues the duplicates whose original no longer has their bytes to be indexed themselves: operation $1,
-- which has just ended, may have changed or deleted the originals.
WITH orphans AS (
    SELECT
        d.id, d.source_id, d.uri, coalesce(d.source_metadata ->> 'location', d.file_path) AS location,
        d.file_name, d.file_size, d.mime_type, d.change_hint,
        -- The original's staged bytes are the duplicate's, too, unless the original has changed.
        CASE WHEN original.content_hash = d.content_hash THEN original.id END AS copy_document_id,
        original.generation AS copy_generation
    FROM operations o
    JOIN documents d ON d.collection_id = o.collection_id
        AND d.duplicate_of IS NOT NULL AND d.status = 'completed' AND d.uri IS NOT NULL
    JOIN documents original ON original.id = d.duplicate_of
    -- Also after a failed or cancelled operation, which may have been about to index them; but a requeued
    -- operation that was cancelled is not queued again.
    WHERE o.id = $1
        AND (o.status = 'completed' OR NOT o.config ? 'work_list')
        AND NOT EXISTS (SELECT FROM collections c WHERE c.id = o.collection_id AND c.deleted_at IS NOT NULL)
        AND (original.content_hash IS DISTINCT FROM d.content_hash OR original.status = 'deleted')
        AND NOT EXISTS (
            SELECT FROM operations queued
            JOIN operation_items i ON i.operation_id = queued.id AND i.uri = d.uri AND i.state = 'listed'
            WHERE queued.collection_id = o.collection_id AND queued.status = 'pending'
        )
),
requeued AS (
    INSERT INTO operations (uuid, collection_id, user_id, source_id, type, config)
    SELECT gen_random_uuid(), o.collection_id, o.user_id, sources.source_id, 'append',
        '{"work_list": "given", "reason": "the originals of these duplicates have changed or were deleted"}'
    FROM operations o CROSS JOIN (SELECT DISTINCT source_id FROM orphans) AS sources
    WHERE o.id = $1
    RETURNING id, source_id
)
INSERT INTO operation_items (
    operation_id, uri, location, file_name, size_bytes, mime_type, change_hint, document_id,
    copy_document_id, copy_generation
)
SELECT requeued.id, orphans.uri, orphans.location, orphans.file_name, orphans.file_size,
    orphans.mime_type, orphans.change_hint, orphans.id, orphans.copy_document_id, orphans.copy_generation
FROM orphans
JOIN requeued ON requeued.source_id IS NOT DISTINCT FROM orphans.source_id
