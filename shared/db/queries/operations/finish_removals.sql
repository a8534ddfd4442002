-- $1 items whose documents' points are deleted, or whose documents were restored meanwhile.
WITH item AS (
    UPDATE operation_items i
    SET state = CASE WHEN d.status = 'deleted' THEN 'removed' ELSE 'unchanged' END::item_state,
        dispatched_at = now(),
        updated_at = now()
    FROM documents d
    WHERE i.id = ANY ($1) AND i.is_removal AND i.state = 'listed' AND d.id = i.document_id
    RETURNING i.document_id
),
document AS (
    UPDATE documents d
    SET chunk_count = 0
    FROM item
    WHERE d.id = item.document_id AND d.status = 'deleted'
)
SELECT count(*) AS "removed!" FROM item
