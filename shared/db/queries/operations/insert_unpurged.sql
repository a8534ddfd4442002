-- $1 operation, $2 seconds since the deletion, $3 maximum number of documents.
INSERT INTO operation_items (operation_id, uri, location, file_name, mime_type, document_id, is_removal)
SELECT o.id, d.uri, coalesce(d.source_metadata ->> 'location', d.file_path), d.file_name, d.mime_type, d.id, TRUE
FROM operations o
JOIN documents d ON d.collection_id = o.collection_id
WHERE o.uuid = $1
    AND d.status = 'deleted'
    AND d.chunk_count > 0
    AND d.uri IS NOT NULL
    AND coalesce(d.deleted_at, d.updated_at) < now() - make_interval(secs => $2)
ORDER BY d.id
LIMIT $3
ON CONFLICT (operation_id, uri) DO NOTHING
