-- $1 deleted documents.
--
-- Deletes what is directly in them, as of the same time: it is removed and purged with them.
WITH member AS (
    UPDATE documents d
    SET status = 'deleted', deleted_at = container.deleted_at, deletion_reason = 'container', is_stale = FALSE,
        updated_at = now()
    FROM documents container
    WHERE container.id = ANY ($1) AND container.status = 'deleted'
        AND d.container_id = container.id AND d.status <> 'deleted'
    RETURNING d.id, d.collection_id, d.source_id, d.chunk_count, d.file_size
),
collection AS (
    UPDATE collections c
    SET document_count = c.document_count - total.documents,
        vector_count = c.vector_count - total.chunks,
        total_size_bytes = c.total_size_bytes - total.bytes,
        updated_at = now()
    FROM (
        SELECT collection_id, count(*) AS documents, sum(chunk_count) AS chunks, sum(file_size) AS bytes
        FROM member GROUP BY collection_id
    ) AS total
    WHERE c.id = total.collection_id
),
source AS (
    UPDATE collection_sources s
    SET document_count = s.document_count - total.documents, size_bytes = s.size_bytes - total.bytes, updated_at = now()
    FROM (
        SELECT source_id, count(*) AS documents, sum(file_size) AS bytes
        FROM member GROUP BY source_id
    ) AS total
    WHERE s.id = total.source_id
)
SELECT id FROM member
