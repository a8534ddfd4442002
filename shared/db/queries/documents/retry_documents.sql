-- $1 collection, $2 operation, $3 the only document to retry, or NULL for all that failed, $4 whether to read staged
-- bytes again that could not be read.
WITH again AS (
    -- The error stays until the document is staged: if that is cancelled, the document has failed as before.
    UPDATE documents
    SET status = 'pending', retry_count = retry_count + 1, last_retry_at = now(), updated_at = now()
    WHERE collection_id = $1
        AND uri IS NOT NULL
        AND CASE
            WHEN $3::uuid IS NULL THEN status = 'failed'
            ELSE id = $3 AND status IN ('failed', 'cancelled')
        END
        AND ($4 OR NOT (
            status = 'failed' AND error_category = 'permanent'
            AND EXISTS (
                SELECT FROM document_artifacts a
                WHERE a.document_id = documents.id AND a.generation = documents.last_generation
            )
        ))
    RETURNING *
)
INSERT INTO operation_items (
    operation_id, uri, location, file_name, size_bytes, mime_type, change_hint, document_id,
    copy_document_id, copy_generation
)
SELECT
    o.id,
    again.uri,
    coalesce(again.source_metadata ->> 'location', again.file_path),
    again.file_name,
    again.file_size,
    again.mime_type,
    staged.change_hint,
    again.id,
    again.id,
    again.last_generation
FROM again
JOIN operations o ON o.uuid = $2
-- The change hint of the staged version.
LEFT JOIN LATERAL (
    SELECT i.change_hint FROM operation_items i
    WHERE i.document_id = again.id AND i.generation = again.last_generation AND i.content_hash IS NOT NULL
    ORDER BY i.id DESC
    LIMIT 1
) AS staged ON TRUE
