-- $1 collection, $2 only operations after this one, $3 limit.
SELECT
    o.id AS "sequence!",
    o.uuid AS "uuid!",
    count(i.id) AS "items!",
    count(*) FILTER (WHERE i.state IN ('listed', 'staged', 'chunked')) AS "open!",
    count(*) FILTER (WHERE i.state IN ('failed', 'skipped') AND i.error_message IS NULL) AS "unexplained!",
    (SELECT coalesce(sum(value::bigint), 0) FROM jsonb_each_text(o.counts))::bigint AS "counted!"
FROM (
    SELECT id, uuid, meta -> 'counts' AS counts FROM operations
    WHERE collection_id = $1 AND id > $2 AND status IN ('completed', 'failed', 'cancelled')
    ORDER BY id
    LIMIT $3
) AS o
LEFT JOIN operation_items i ON i.operation_id = o.id
GROUP BY o.id, o.uuid, o.counts
ORDER BY o.id
