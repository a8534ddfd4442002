-- $1 operation, $2 deleted documents.
--
-- Adds them, and what was deleted with them because they contain it.
WITH RECURSIVE removed AS (
    SELECT id, deleted_at FROM documents WHERE id = ANY ($2)
    UNION
    SELECT d.id, d.deleted_at
    FROM removed JOIN documents d ON d.container_id = removed.id
    WHERE d.status = 'deleted' AND d.deleted_at = removed.deleted_at
)
INSERT INTO operation_items (operation_id, uri, location, file_name, mime_type, document_id, is_removal)
SELECT o.id, d.uri, coalesce(d.source_metadata ->> 'location', d.file_path), d.file_name, d.mime_type, d.id, TRUE
FROM operations o
CROSS JOIN removed
JOIN documents d ON d.collection_id = o.collection_id AND d.id = removed.id
WHERE o.uuid = $1 AND d.uri IS NOT NULL
ON CONFLICT (operation_id, uri) DO NOTHING
