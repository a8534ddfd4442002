-- $1 items that remove documents.
--
-- The documents that a source no longer has are deleted here, so that search drops them before
-- their points go; what a person deleted was so already. Returns the documents whose points are to go:
-- one that came back meanwhile, by an operation that waited longer, keeps those of its new version.
WITH missing AS (
    UPDATE documents d
    SET status = 'deleted', deleted_at = now(), deletion_reason = 'missing', is_stale = FALSE, updated_at = now()
    FROM operation_items i
    JOIN operations o ON o.id = i.operation_id
    WHERE i.id = ANY ($1)
        AND i.is_removal
        AND i.state = 'listed'
        AND o.type = 'append'
        AND d.id = i.document_id
        AND d.status <> 'deleted'
    RETURNING d.id
)
SELECT d.id
FROM operation_items i
JOIN documents d ON d.id = i.document_id
WHERE i.id = ANY ($1)
    AND i.is_removal
    AND i.state = 'listed'
    AND (d.status = 'deleted' OR d.id IN (SELECT id FROM missing))
