-- $1 operation, $2 documents, $3 their generations, $4 their numbers of chunks, $5 for each why its points
-- could not be written, or NULL.
INSERT INTO operation_items (
    operation_id, uri, location, file_name, size_bytes, mime_type, document_id, generation, state,
    chunk_count, error_message, error_category
)
SELECT
    o.id,
    coalesce(d.uri, d.id::text),
    coalesce(d.source_metadata ->> 'location', d.file_path),
    d.file_name,
    d.file_size,
    d.mime_type,
    d.id,
    done.generation,
    CASE WHEN done.reason IS NULL THEN 'unchanged' ELSE 'failed' END::item_state,
    CASE WHEN done.reason IS NULL THEN done.chunk_count END,
    done.reason,
    -- A retry computes what is lost again.
    CASE WHEN done.reason IS NOT NULL THEN 'transient' END::error_category
FROM (
    -- Held until this commits, so that the listing cannot end concurrently.
    SELECT id FROM operations
    WHERE uuid = $1 AND status = 'processing' AND scan_finished_at IS NULL
    FOR SHARE
) AS o
CROSS JOIN unnest($2::uuid[], $3::integer[], $4::integer[], $5::text[])
    AS done (document_id, generation, chunk_count, reason)
JOIN documents d ON d.id = done.document_id
ON CONFLICT (operation_id, uri) DO NOTHING
