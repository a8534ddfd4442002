-- $1 operation, $2 failed or cancelled, $3 reason or NULL, $4 category or NULL.
WITH item AS (
    UPDATE operation_items i
    SET state = $2::text::item_state, error_message = $3, error_category = $4::text::error_category,
        updated_at = now()
    FROM operations o
    WHERE o.uuid = $1
        AND o.status IN ('pending', 'processing')
        AND i.operation_id = o.id
        AND i.state IN ('listed', 'staged', 'chunked')
    RETURNING i.document_id
)
-- A document that was searchable before stays so.
UPDATE documents d
SET status = $2::text::document_status, error_message = $3, error_category = $4::text::error_category,
    content_hash = NULL, updated_at = now()
FROM item
WHERE d.id = item.document_id AND d.status IN ('pending', 'processing')
