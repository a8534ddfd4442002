-- The counters of collection $1 and of its sources, each with the number that its rows give.
WITH rows_of_source AS MATERIALIZED (
    SELECT source_id, count(*) AS documents, sum(chunk_count) AS chunks, sum(file_size) AS bytes
    FROM documents
    WHERE collection_id = $1 AND status <> 'deleted'
    GROUP BY source_id
),
total AS (
    SELECT coalesce(sum(documents), 0) AS documents, coalesce(sum(chunks), 0) AS chunks,
        coalesce(sum(bytes), 0) AS bytes
    FROM rows_of_source
),
of_source AS (
    SELECT s.id, s.document_count, s.size_bytes, coalesce(r.documents, 0) AS documents, coalesce(r.bytes, 0) AS bytes
    FROM collection_sources s LEFT JOIN rows_of_source r ON r.source_id = s.id
    WHERE s.collection_id = $1
)
SELECT counters.name AS "name!", counters.stored AS "stored!", counters.counted::bigint AS "counted!"
FROM (
    SELECT 'document_count' AS name, c.document_count AS stored, total.documents AS counted
    FROM collections c CROSS JOIN total WHERE c.id = $1
    UNION ALL
    SELECT 'vector_count', c.vector_count, total.chunks FROM collections c CROSS JOIN total WHERE c.id = $1
    UNION ALL
    SELECT 'total_size_bytes', c.total_size_bytes, total.bytes FROM collections c CROSS JOIN total WHERE c.id = $1
    UNION ALL
    SELECT format('sources/%s/document_count', id), document_count, documents FROM of_source
    UNION ALL
    SELECT format('sources/%s/size_bytes', id), size_bytes, bytes FROM of_source
) AS counters
