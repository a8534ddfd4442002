-- $1 item, $2 skipped or failed, $3 reason, $4 category or NULL.
WITH item AS (
    UPDATE operation_items
    SET state = $2::text::item_state, error_message = $3, error_category = $4::text::error_category,
        updated_at = now()
    WHERE id = $1 AND state IN ('listed', 'staged', 'chunked')
    RETURNING document_id, content_hash, generation, change_hint, size_bytes, mime_type, attributes, url, title,
        is_reindex
),
document AS (
    UPDATE documents d
    SET status = $2::text::document_status,
        error_message = $3,
        error_category = $4::text::error_category,
        -- A failed document does not claim its bytes, and is tried again whatever its change hint.
        content_hash = CASE WHEN $2 = 'failed' THEN NULL ELSE item.content_hash END,
        change_hint = CASE WHEN $2 = 'failed' THEN d.change_hint ELSE item.change_hint END,
        generation = CASE WHEN $2 = 'failed' THEN d.generation ELSE item.generation END,
        chunk_count = CASE WHEN $2 = 'failed' THEN d.chunk_count ELSE 0 END,
        warnings = CASE WHEN $2 = 'failed' THEN d.warnings ELSE '[]' END,
        file_size = item.size_bytes,
        mime_type = item.mime_type,
        -- Kept for the next attempt.
        attributes = coalesce(item.attributes, d.attributes),
        url = coalesce(item.url, d.url),
        title = coalesce(item.title, d.title),
        updated_at = now()
    FROM item
    -- A failed reindex leaves documents searchable as they are.
    WHERE d.id = item.document_id AND NOT item.is_reindex AND d.status <> 'deleted'
)
SELECT document_id FROM item
