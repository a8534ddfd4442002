-- $1 operation, whose listing is complete.
UPDATE documents d
SET is_stale = TRUE, updated_at = now()
FROM operations o
WHERE o.uuid = $1
    AND d.source_id = o.source_id
    AND d.status <> 'deleted'
    AND NOT d.is_stale
    -- No source lists what is in its documents.
    AND d.container_id IS NULL
    AND NOT EXISTS (SELECT FROM operation_items i WHERE i.operation_id = o.id AND i.uri = d.uri)
