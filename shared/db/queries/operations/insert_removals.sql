-- $1 operation, $2 documents.
INSERT INTO operation_items (operation_id, uri, location, file_name, mime_type, document_id, is_removal)
SELECT o.id, d.uri, coalesce(d.source_metadata ->> 'location', d.file_path), d.file_name, d.mime_type, d.id, TRUE
FROM operations o
JOIN documents d ON d.collection_id = o.collection_id AND d.id = ANY ($2)
WHERE o.uuid = $1 AND d.uri IS NOT NULL
ON CONFLICT (operation_id, uri) DO NOTHING
