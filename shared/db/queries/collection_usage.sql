-- $1 collection. What its limits count: documents that hold something, the bytes that are kept of them,
-- what was asked of it lately, and what it reads from.
SELECT
    held.documents AS "documents!",
    held.storage_bytes AS "storage_bytes!",
    (
        SELECT count(*) FROM operations o
        WHERE o.collection_id = $1 AND o.created_at > now() - interval '1 hour' AND o.type NOT IN ('index', 'delete')
    ) AS "operations_last_hour!",
    -- What is uploaded is no source that somebody adds.
    (
        SELECT count(*) FROM collection_sources s WHERE s.collection_id = $1 AND s.source_type <> 'upload'
    ) AS "sources!"
FROM (
    SELECT
        count(*) AS documents,
        coalesce(sum(d.file_size) FILTER (WHERE d.duplicate_of IS NULL), 0)::bigint AS storage_bytes
    FROM documents d
    WHERE d.collection_id = $1 AND d.status IN ('pending', 'processing', 'completed')
) AS held
