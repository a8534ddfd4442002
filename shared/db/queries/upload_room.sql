-- $1 collection. What it holds, and what is announced for it or has arrived and is not registered yet.
WITH waiting AS (
    SELECT uri, max(size_bytes) AS size_bytes
    FROM (
        SELECT 'upload://' || name AS uri, size_bytes
        FROM uploads
        WHERE collection_id = $1 AND status = 'expected' AND expires_at > now()
        UNION ALL
        SELECT i.uri, i.size_bytes
        FROM operations o
        JOIN operation_items i ON i.operation_id = o.id AND i.state = 'listed'
        WHERE o.collection_id = $1 AND o.status IN ('pending', 'processing')
    ) AS each
    GROUP BY uri
)
SELECT
    l.used_documents,
    l.used_bytes,
    -- The same name again takes the place of the document.
    count(waiting.uri) FILTER (WHERE d.id IS NULL) AS "waiting_documents!",
    coalesce(sum(waiting.size_bytes - CASE WHEN d.duplicate_of IS NULL THEN coalesce(d.file_size, 0) ELSE 0 END), 0)::bigint
        AS "waiting_bytes!"
FROM collection_resource_limits l
LEFT JOIN waiting ON TRUE
LEFT JOIN documents d ON d.collection_id = $1 AND d.uri = waiting.uri AND d.status IN ('pending', 'processing', 'completed')
WHERE l.collection_id = $1
GROUP BY l.used_documents, l.used_bytes
