-- $1 operation, $2 source, $3 limit.
WITH document AS (
    UPDATE documents
    SET status = 'deleted', deleted_at = now(), deletion_reason = 'source_removed', is_stale = FALSE, updated_at = now()
    WHERE status <> 'deleted'
        AND id IN (SELECT id FROM documents WHERE source_id = $2 AND status <> 'deleted' LIMIT $3)
    RETURNING *
),
item AS (
    INSERT INTO operation_items (operation_id, uri, location, file_name, mime_type, document_id, is_removal, state)
    SELECT o.id, d.uri, coalesce(d.source_metadata ->> 'location', d.file_path), d.file_name, d.mime_type, d.id, TRUE, 'removed'
    FROM document d
    JOIN operations o ON o.uuid = $1
    WHERE d.uri IS NOT NULL
    ON CONFLICT (operation_id, uri) DO NOTHING
)
SELECT count(*) AS "deleted!" FROM document
