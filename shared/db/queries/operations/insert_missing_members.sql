-- $1 item of a document, whose files are all on the work list.
--
-- Adds the documents that were in its earlier versions, and all that is in them, to be removed.
WITH RECURSIVE container AS (
    -- Held until this commits, so that the item, and with it the operation, cannot end concurrently.
    SELECT operation_id, document_id FROM operation_items
    WHERE id = $1 AND state = 'staged' AND NOT is_reindex
    FOR SHARE
),
missing AS (
    SELECT d.id, d.container_id
    FROM container JOIN documents d ON d.container_id = container.document_id
    WHERE d.status <> 'deleted' AND d.uri IS NOT NULL
        AND NOT EXISTS (
            SELECT FROM operation_items i
            WHERE i.operation_id = container.operation_id AND i.uri = d.uri AND NOT i.is_removal
        )
    UNION
    SELECT d.id, d.container_id FROM missing JOIN documents d ON d.container_id = missing.id
    WHERE d.status <> 'deleted' AND d.uri IS NOT NULL
)
INSERT INTO operation_items (
    operation_id, uri, location, file_name, mime_type, document_id, is_removal, container_id, dispatched_at
)
SELECT
    container.operation_id,
    d.uri,
    coalesce(d.source_metadata ->> 'location', d.file_path),
    d.file_name,
    d.mime_type,
    d.id,
    TRUE,
    missing.container_id,
    now()
FROM container CROSS JOIN missing JOIN documents d ON d.id = missing.id
-- An earlier attempt may have added it without sending its message.
ON CONFLICT (operation_id, uri) DO UPDATE SET updated_at = now()
WHERE operation_items.is_removal AND operation_items.state = 'listed'
RETURNING id
