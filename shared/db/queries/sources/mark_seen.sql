-- $1 source, $2 URIs, $3 its collection.
WITH entry AS (
    SELECT DISTINCT uri FROM unnest($2::text[]) AS entry (uri)
),
known AS (
    UPDATE documents d SET last_seen_at = now(), is_stale = FALSE
    FROM entry
    WHERE d.collection_id = $3 AND d.uri = entry.uri AND d.source_id = $1 AND d.status <> 'deleted'
    RETURNING d.uri
)
SELECT entry.uri AS "uri!"
FROM entry
WHERE entry.uri NOT IN (SELECT uri FROM known)
    -- On its way to the bucket.
    AND NOT EXISTS (
        SELECT FROM uploads u WHERE u.collection_id = $3 AND u.uri = entry.uri AND u.status = 'expected'
    )
    -- On a work list.
    AND NOT EXISTS (
        SELECT FROM operations o JOIN operation_items i ON i.operation_id = o.id AND i.uri = entry.uri
        WHERE o.collection_id = $3 AND o.source_id = $1 AND o.status IN ('pending', 'processing')
            AND i.state IN ('listed', 'staged', 'chunked') AND NOT i.is_removal
    )
ORDER BY entry.uri
