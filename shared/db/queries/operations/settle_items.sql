-- $1 operation, $2 items.
--
-- Ends listed items that need nothing: the document is deleted and stays so, or another operation has indexed
-- it before this retry or restore ran.
UPDATE operation_items i
SET state = CASE WHEN d.status = 'deleted' THEN 'skipped' ELSE 'unchanged' END::item_state,
    document_id = d.id,
    error_message = CASE
        WHEN d.purge_requested_at IS NOT NULL THEN 'the document was purged; upload it to have it indexed again'
        WHEN d.status = 'deleted' THEN 'the document was deleted; restore it to have it indexed again'
    END,
    updated_at = now()
FROM operations o, documents d
WHERE o.uuid = $1
    AND i.operation_id = o.id
    AND i.id = ANY ($2)
    AND i.state = 'listed'
    AND NOT i.is_removal
    AND d.collection_id = o.collection_id
    AND d.uri = ANY (ARRAY[i.uri, purged_uri(o.collection_id, i.uri)])
    AND CASE
        WHEN d.status = 'deleted' THEN d.deleted_at >= i.created_at OR (
            d.deletion_reason = 'user'
            AND NOT EXISTS (SELECT FROM collection_sources s WHERE s.id = o.source_id AND s.source_type IN ('upload', 'push'))
        )
        -- The bytes of a file inside a document are read, so they are compared.
        ELSE o.type IN ('retry_documents', 'restore_documents') AND d.status IN ('completed', 'skipped')
            AND i.container_id IS NULL
    END
