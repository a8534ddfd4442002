-- $1 collection. Its usage: documents and bytes as counted by the triggers of documents, recent operations,
-- and sources.
SELECT
    coalesce((SELECT l.used_documents FROM collection_resource_limits l WHERE l.collection_id = $1), 0) AS "documents!",
    coalesce((SELECT l.used_bytes FROM collection_resource_limits l WHERE l.collection_id = $1), 0) AS "storage_bytes!",
    (
        SELECT count(*) FROM operations o
        WHERE o.collection_id = $1 AND o.created_at > now() - interval '1 hour' AND o.type NOT IN ('index', 'delete')
    ) AS "operations_last_hour!",
    -- The upload source does not count.
    (
        SELECT count(*) FROM collection_sources s WHERE s.collection_id = $1 AND s.source_type <> 'upload'
    ) AS "sources!"
