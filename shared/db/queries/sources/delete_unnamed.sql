-- $1 source, $2 its push run that ends.
--
-- Soft-deletes the documents that the run has not named; searches leave them out from here on.
WITH document AS (
    UPDATE documents d
    SET status = 'deleted', deleted_at = now(), deletion_reason = 'missing', is_stale = FALSE, updated_at = now()
    WHERE d.source_id = $1 AND d.status <> 'deleted' AND d.uri IS NOT NULL
        -- Nobody names what is in documents.
        AND d.container_id IS NULL
        AND NOT EXISTS (SELECT FROM push_run_documents n WHERE n.run_id = $2 AND n.uri = d.uri)
    RETURNING d.id, d.collection_id, d.chunk_count, d.file_size
),
total AS (
    SELECT collection_id, count(*) AS documents, sum(chunk_count) AS chunks, sum(file_size) AS bytes
    FROM document GROUP BY collection_id
),
collection AS (
    UPDATE collections c
    SET document_count = c.document_count - total.documents,
        vector_count = c.vector_count - total.chunks,
        total_size_bytes = c.total_size_bytes - total.bytes,
        updated_at = now()
    FROM total
    WHERE c.id = total.collection_id
),
source AS (
    UPDATE collection_sources s
    SET document_count = s.document_count - total.documents, size_bytes = s.size_bytes - total.bytes, updated_at = now()
    FROM total
    WHERE s.id = $1
)
SELECT id FROM document
