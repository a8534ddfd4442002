-- $1 collection, $2 status or NULL, $3 source or NULL, $4 limit, $5 offset, $6 text in the path or NULL, $7
-- sort key, $8 whether to sort ascending, $9 the document that contains them or NULL.
SELECT
    id,
    collection_id,
    source_id,
    container_id,
    uri,
    file_path,
    file_name,
    url,
    title,
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
    CASE WHEN status IN ('pending', 'processing', 'completed') THEN (
        SELECT o.id FROM documents o
        WHERE o.collection_id = documents.collection_id AND o.content_hash = documents.content_hash
            AND o.status IN ('pending', 'processing', 'completed')
            AND (o.created_at, o.id) < (documents.created_at, documents.id)
        ORDER BY o.created_at, o.id
        LIMIT 1
    ) END AS duplicate_of,
    last_seen_at,
    is_stale,
    warnings AS "warnings: Json<Vec<DocumentWarning>>",
    created_at,
    updated_at,
    deleted_at,
    meta,
    source_metadata,
    attributes AS "attributes: Json<DocumentMetadata>"
FROM documents
WHERE collection_id = $1
    AND purged_at IS NULL
    AND ($3::bigint IS NULL OR source_id = $3)
    AND ($9::uuid IS NULL OR container_id = $9)
    AND CASE WHEN $2::text IS NULL THEN status <> 'deleted' ELSE status = $2::text::document_status END
    AND (
        $6::text IS NULL
        OR strpos(replace(lower(file_path), 'ß', 'ss'), replace(lower($6), 'ß', 'ss')) > 0
        OR strpos(replace(lower(file_name), 'ß', 'ss'), replace(lower($6), 'ß', 'ss')) > 0
    )
-- The planner knows the parameters, so one sort key remains; created_at is read from the index.
ORDER BY
    CASE WHEN $7::text = 'created_at' AND $8::boolean THEN created_at END,
    CASE WHEN $7::text = 'created_at' AND NOT $8::boolean THEN created_at END DESC,
    CASE WHEN $7::text = 'updated_at' AND $8::boolean THEN updated_at END,
    CASE WHEN $7::text = 'updated_at' AND NOT $8::boolean THEN updated_at END DESC,
    CASE WHEN $7::text = 'file_name' AND $8::boolean THEN lower(file_name) END,
    CASE WHEN $7::text = 'file_name' AND NOT $8::boolean THEN lower(file_name) END DESC,
    CASE WHEN $7::text = 'file_size' AND $8::boolean THEN file_size END,
    CASE WHEN $7::text = 'file_size' AND NOT $8::boolean THEN file_size END DESC,
    CASE WHEN $7::text = 'chunk_count' AND $8::boolean THEN chunk_count END,
    CASE WHEN $7::text = 'chunk_count' AND NOT $8::boolean THEN chunk_count END DESC,
    id
LIMIT $4 OFFSET $5
