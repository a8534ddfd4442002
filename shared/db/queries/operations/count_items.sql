-- $1 operation.
SELECT
    count(*) FILTER (WHERE state = 'listed') AS "listed!",
    count(*) FILTER (WHERE state = 'staged') AS "staged!",
    count(*) FILTER (WHERE state = 'chunked') AS "chunked!",
    count(*) FILTER (WHERE state = 'completed') AS "completed!",
    count(*) FILTER (WHERE state = 'unchanged') AS "unchanged!",
    count(*) FILTER (WHERE state = 'duplicate') AS "duplicate!",
    count(*) FILTER (WHERE state = 'removed') AS "removed!",
    count(*) FILTER (WHERE state = 'skipped') AS "skipped!",
    count(*) FILTER (WHERE state = 'failed') AS "failed!",
    count(*) FILTER (WHERE state = 'cancelled') AS "cancelled!",
    coalesce(sum(size_bytes), 0)::bigint AS "bytes!"
FROM operation_items
WHERE operation_id = (SELECT id FROM operations WHERE uuid = $1)
