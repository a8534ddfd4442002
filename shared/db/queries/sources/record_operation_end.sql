-- Recounts the source of operation $1, which has just ended, and records how its last run ended.
WITH totals AS (
    SELECT count(d.id) AS documents, coalesce(sum(d.file_size), 0) AS size_bytes
    FROM operations o
    LEFT JOIN documents d
        ON d.collection_id = o.collection_id AND d.source_id = o.source_id AND d.status <> 'deleted'
    WHERE o.id = $1
)
UPDATE collection_sources s
SET document_count = totals.documents,
    size_bytes = totals.size_bytes,
    last_run_completed_at = CASE WHEN o.started_at IS NULL THEN s.last_run_completed_at ELSE o.completed_at END,
    last_run_status = CASE
        WHEN o.started_at IS NULL AND o.status = 'cancelled' THEN s.last_run_status
        WHEN o.status = 'completed' AND (o.meta -> 'counts' ->> 'failed')::bigint > 0 THEN 'partial'
        WHEN o.status = 'completed' THEN 'success'
        ELSE o.status::text
    END,
    last_error = o.error_message,
    last_indexed_at = CASE WHEN o.status = 'completed' THEN o.completed_at ELSE s.last_indexed_at END,
    updated_at = now()
FROM operations o CROSS JOIN totals
WHERE o.id = $1 AND s.id = o.source_id
