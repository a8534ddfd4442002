-- $1 operation, $2 maximum number of documents.
--
-- Earlier versions recorded documents with equal bytes as duplicates, without points.
INSERT INTO operation_items (
    operation_id, uri, location, file_name, size_bytes, mime_type, change_hint, document_id,
    copy_document_id, copy_generation
)
SELECT
    o.id,
    d.uri,
    coalesce(d.source_metadata ->> 'location', d.file_path),
    d.file_name,
    d.file_size,
    d.mime_type,
    d.change_hint,
    d.id,
    -- The original's staged bytes are the duplicate's, too, unless the original has changed.
    original.id,
    original.generation
FROM operations o
JOIN documents d ON d.collection_id = o.collection_id
    AND d.status = 'completed' AND d.chunk_count = 0 AND d.uri IS NOT NULL
LEFT JOIN documents original ON original.id = d.duplicate_of AND original.content_hash = d.content_hash
WHERE o.uuid = $1
ORDER BY d.id
LIMIT $2
ON CONFLICT (operation_id, uri) DO NOTHING
