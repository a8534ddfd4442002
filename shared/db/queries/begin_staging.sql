-- $1 operation, $2 items.
WITH reserved AS (
    UPDATE operation_items i
    SET attempts = i.attempts + 1,
        -- Kept from the first try, so that a repeated one writes the same objects again.
        generation = coalesce(i.generation, 1 + coalesce((
            SELECT d.last_generation FROM documents d
            WHERE d.collection_id = o.collection_id AND d.uri = i.uri
            ORDER BY d.last_generation DESC
            LIMIT 1
        ), 0)),
        updated_at = now()
    FROM operations o
    WHERE o.uuid = $1 AND i.operation_id = o.id AND i.id = ANY ($2) AND i.state = 'listed'
    RETURNING i.id, i.generation
)
SELECT
    i.id,
    i.state::text AS "state!",
    i.uri,
    i.location,
    i.file_name,
    i.size_bytes,
    i.mime_type,
    i.change_hint,
    coalesce(reserved.generation, i.generation, 1) AS "generation!"
FROM operation_items i
JOIN operations o ON o.id = i.operation_id AND o.uuid = $1
LEFT JOIN reserved ON reserved.id = i.id
WHERE i.id = ANY ($2)
ORDER BY i.id
