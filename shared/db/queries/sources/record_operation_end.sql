-- Recounts the sources of the collection of operation $1, which has just ended, and records how the last run
-- of the operation's own source ended. An operation without a source (a retry, a restore, a removal) changes
-- documents of any source, and a document that two sources contain moves to the one that indexed it last.
WITH totals AS (
    SELECT d.source_id, count(*) AS documents, coalesce(sum(d.file_size), 0) AS size_bytes
    FROM operations o
    JOIN documents d ON d.collection_id = o.collection_id AND d.status <> 'deleted'
    WHERE o.id = $1 AND d.source_id IS NOT NULL
    GROUP BY d.source_id
),
counted AS (
    SELECT s.id, coalesce(totals.documents, 0) AS documents, coalesce(totals.size_bytes, 0) AS size_bytes,
        s.id IS NOT DISTINCT FROM o.source_id AS is_own
    FROM operations o
    JOIN collection_sources s ON s.collection_id = o.collection_id
    LEFT JOIN totals ON totals.source_id = s.id
    WHERE o.id = $1
)
UPDATE collection_sources s
SET document_count = counted.documents,
    size_bytes = counted.size_bytes,
    last_run_completed_at = CASE
        WHEN NOT counted.is_own OR o.started_at IS NULL THEN s.last_run_completed_at
        ELSE o.completed_at
    END,
    last_run_status = CASE
        WHEN NOT counted.is_own OR (o.started_at IS NULL AND o.status = 'cancelled') THEN s.last_run_status
        WHEN o.status = 'completed' AND (o.meta -> 'counts' ->> 'failed')::bigint > 0 THEN 'partial'
        WHEN o.status = 'completed' THEN 'success'
        ELSE o.status::text
    END,
    last_error = CASE WHEN counted.is_own THEN o.error_message ELSE s.last_error END,
    last_indexed_at = CASE
        WHEN counted.is_own AND o.status = 'completed' THEN o.completed_at
        ELSE s.last_indexed_at
    END,
    updated_at = now()
FROM operations o CROSS JOIN counted
WHERE o.id = $1
    AND s.id = counted.id
    AND (counted.is_own OR s.document_count <> counted.documents OR s.size_bytes <> counted.size_bytes)
