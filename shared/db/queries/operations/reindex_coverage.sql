-- $1 operation.
--
-- Counts documents that still exist. Those that were deleted meanwhile need not be in the new index, but
-- their points in it are counted.
SELECT
    count(*) FILTER (WHERE i.state IN ('listed', 'staged', 'chunked')) AS "open!",
    count(*) FILTER (WHERE i.state NOT IN ('listed', 'staged', 'chunked', 'completed') AND d.status <> 'deleted') AS "lost!",
    min(format('%s: %s', d.file_path, coalesce(i.error_message, 'it was ' || i.state::text)))
        FILTER (WHERE i.state NOT IN ('listed', 'staged', 'chunked', 'completed') AND d.status <> 'deleted') AS first_lost,
    count(*) AS "documents!",
    coalesce(sum(i.chunk_count) FILTER (WHERE i.state = 'completed'), 0)::bigint AS "chunks!"
FROM operations o
JOIN operation_items i ON i.operation_id = o.id
JOIN documents d ON d.id = i.document_id
WHERE o.uuid = $1
