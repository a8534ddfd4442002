-- $1 items whose documents' points are gone.
WITH item AS (
    UPDATE operation_items
    SET state = 'removed', dispatched_at = now(), updated_at = now()
    WHERE id = ANY ($1) AND is_removal AND state = 'listed'
    RETURNING document_id
),
document AS (
    UPDATE documents d
    SET chunk_count = 0
    FROM item
    WHERE d.id = item.document_id AND d.status = 'deleted'
)
SELECT count(*) AS "removed!" FROM item
