-- $1 operations. Operations without items have no row.
SELECT
    operations.uuid,
    count(*) FILTER (WHERE operation_items.state = 'listed') AS "listed!",
    count(*) FILTER (WHERE operation_items.state = 'staged') AS "staged!",
    count(*) FILTER (WHERE operation_items.state = 'chunked') AS "chunked!",
    count(*) FILTER (WHERE operation_items.state = 'completed') AS "completed!",
    count(*) FILTER (WHERE operation_items.state = 'unchanged') AS "unchanged!",
    count(*) FILTER (WHERE operation_items.state = 'duplicate') AS "duplicate!",
    count(*) FILTER (WHERE operation_items.state = 'removed') AS "removed!",
    count(*) FILTER (WHERE operation_items.state = 'skipped') AS "skipped!",
    count(*) FILTER (WHERE operation_items.state = 'failed') AS "failed!",
    count(*) FILTER (WHERE operation_items.state = 'cancelled') AS "cancelled!",
    coalesce(sum(operation_items.size_bytes), 0)::bigint AS "bytes!"
FROM operations
JOIN operation_items ON operation_items.operation_id = operations.id
WHERE operations.uuid = ANY ($1)
GROUP BY operations.uuid
