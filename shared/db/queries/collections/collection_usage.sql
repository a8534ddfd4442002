-- $1 collection. What its limits count: what it holds, as the triggers of documents keep it; what was asked
-- of it lately, and what it reads from.
SELECT
    coalesce((SELECT l.used_documents FROM collection_resource_limits l WHERE l.collection_id = $1), 0) AS "documents!",
    coalesce((SELECT l.used_bytes FROM collection_resource_limits l WHERE l.collection_id = $1), 0) AS "storage_bytes!",
    (
        SELECT count(*) FROM operations o
        WHERE o.collection_id = $1 AND o.created_at > now() - interval '1 hour' AND o.type NOT IN ('index', 'delete')
    ) AS "operations_last_hour!",
    -- What is uploaded is no source that somebody adds.
    (
        SELECT count(*) FROM collection_sources s WHERE s.collection_id = $1 AND s.source_type <> 'upload'
    ) AS "sources!"
