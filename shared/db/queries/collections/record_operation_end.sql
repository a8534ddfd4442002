-- Recounts the collection of operation $1, which has just ended, and derives the collection's status from
-- how it ended.
WITH totals AS (
    SELECT
        count(d.id) AS documents,
        count(d.id) FILTER (WHERE d.status = 'failed') AS failed,
        coalesce(sum(d.chunk_count), 0) AS vectors,
        coalesce(sum(d.file_size), 0) AS size_bytes
    FROM operations o
    LEFT JOIN documents d ON d.collection_id = o.collection_id AND d.status <> 'deleted'
    WHERE o.id = $1
)
UPDATE collections c
SET document_count = totals.documents,
    vector_count = totals.vectors,
    total_size_bytes = totals.size_bytes,
    qdrant_staging = CASE WHEN o.type <> 'reindex' THEN c.qdrant_staging END,
    status = CASE
        WHEN o.type = 'index' AND o.status <> 'completed' THEN 'error'::collection_status
        -- The operation never ran, so what the collection is doing is not about it. But the documents that it
        -- was to retry have failed as before.
        WHEN o.started_at IS NULL AND c.status NOT IN ('ready', 'degraded') THEN c.status
        WHEN totals.failed > 0 THEN 'degraded'
        ELSE 'ready'
    END,
    status_message = CASE
        WHEN o.type = 'index' AND o.status <> 'completed'
            THEN coalesce(o.error_message, 'the set-up was cancelled; add documents to set the collection up')
        WHEN o.started_at IS NULL AND (c.status NOT IN ('ready', 'degraded') OR (c.status = 'ready' AND totals.failed = 0))
            THEN c.status_message
        WHEN o.type = 'reindex' AND o.status = 'failed' THEN format('the last reindex failed: %s', o.error_message)
        WHEN totals.failed > 0 THEN format('%s of %s documents could not be indexed', totals.failed, totals.documents)
    END,
    updated_at = now()
FROM operations o CROSS JOIN totals
WHERE o.id = $1 AND c.id = o.collection_id
