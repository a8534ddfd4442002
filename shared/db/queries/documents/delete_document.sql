-- $1 document, $2 reason.
--
-- Searches leave the document out from here on. The row keeps what a restore needs.
WITH document AS (
    UPDATE documents
    SET status = 'deleted', deleted_at = now(), deletion_reason = $2::text::deletion_reason, is_stale = FALSE, updated_at = now()
    WHERE id = $1 AND status <> 'deleted'
    RETURNING collection_id, source_id, chunk_count, file_size
),
collection AS (
    UPDATE collections c
    SET document_count = c.document_count - 1,
        vector_count = c.vector_count - document.chunk_count,
        total_size_bytes = c.total_size_bytes - document.file_size,
        updated_at = now()
    FROM document
    WHERE c.id = document.collection_id
),
source AS (
    UPDATE collection_sources s
    SET document_count = s.document_count - 1, size_bytes = s.size_bytes - document.file_size, updated_at = now()
    FROM document
    WHERE s.id = document.source_id
)
SELECT count(*) = 1 AS "is_deleted!" FROM document
