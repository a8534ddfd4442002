-- $1 items that remove documents.
--
-- Soft-deletes the documents that a source no longer lists, so that searches leave them out before their
-- points are deleted; documents deleted by users are already. Returns the documents whose points are to be
-- deleted: not those that a later operation has restored or indexed meanwhile. One that came back and failed has no
-- searchable version, so the points of the deleted one are still to be deleted.
WITH missing AS (
    UPDATE documents d
    SET status = 'deleted', deleted_at = now(), deletion_reason = 'missing', is_stale = FALSE, updated_at = now()
    FROM operation_items i
    JOIN operations o ON o.id = i.operation_id
    WHERE i.id = ANY ($1)
        AND i.is_removal
        AND i.state = 'listed'
        -- Gone from its source, or from the document that contained it.
        AND (o.type = 'append' OR i.container_id IS NOT NULL)
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
    AND (d.status = 'deleted' OR d.generation = 0 OR d.id IN (SELECT id FROM missing))
