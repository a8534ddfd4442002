-- $1 operation, $2 failed or cancelled, $3 reason or NULL, $4 category or NULL, $5 limit.
UPDATE operation_items
SET state = $2::text::item_state, error_message = $3, error_category = $4::text::error_category,
    updated_at = now()
WHERE state IN ('listed', 'staged', 'chunked')
    AND id IN (
        SELECT i.id
        FROM operations o
        JOIN operation_items i ON i.operation_id = o.id AND i.state IN ('listed', 'staged', 'chunked')
        WHERE o.uuid = $1 AND o.status IN ('pending', 'processing')
        ORDER BY i.id
        LIMIT $5
        FOR UPDATE OF i
    )
RETURNING id
