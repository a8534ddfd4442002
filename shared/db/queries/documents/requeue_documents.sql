-- $1 operation, $2 documents, $3 for each the generation whose staged bytes are indexed, or NULL for its
-- source.
WITH again AS (
    UPDATE documents d
    -- Its bytes are indexed again although they have not changed.
    SET content_hash = NULL, updated_at = now()
    FROM unnest($2::uuid[], $3::integer[]) AS wanted (id, copy_generation)
    WHERE d.id = wanted.id AND d.status <> 'deleted' AND d.uri IS NOT NULL
    RETURNING d.*, wanted.copy_generation
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
    again.change_hint,
    again.id,
    CASE WHEN again.copy_generation IS NOT NULL THEN again.id END,
    again.copy_generation
FROM again
JOIN operations o ON o.uuid = $1
ON CONFLICT (operation_id, uri) DO NOTHING
