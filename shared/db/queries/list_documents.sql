-- $1 collection, $2 status or NULL, $3 source or NULL, $4 limit, $5 offset.
SELECT
    id,
    collection_id,
    source_id,
    uri,
    file_path,
    file_name,
    file_size,
    mime_type,
    content_hash,
    status::text AS "status!",
    error_message,
    error_category::text AS error_category,
    retry_count,
    last_retry_at,
    chunk_count,
    generation,
    last_generation,
    change_hint,
    duplicate_of,
    last_seen_at,
    is_stale,
    created_at,
    updated_at,
    deleted_at,
    meta,
    source_metadata
FROM documents
WHERE collection_id = $1
    AND ($3::bigint IS NULL OR source_id = $3)
    AND CASE WHEN $2::text IS NULL THEN status <> 'deleted' ELSE status = $2::text::document_status END
ORDER BY created_at, id
LIMIT $4 OFFSET $5
