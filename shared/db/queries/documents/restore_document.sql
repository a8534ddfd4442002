-- $1 document, $2 operation.
WITH before AS (
    SELECT
        d.id,
        d.deletion_reason,
        -- Recorded as a duplicate by an earlier version, it has no staged bytes of its own; its original has the same.
        coalesce(original.id, d.id) AS copy_document_id,
        CASE
            WHEN original.id IS NOT NULL THEN original.generation
            WHEN d.generation > 0 THEN d.generation
            ELSE d.last_generation
        END AS copy_generation
    FROM documents d
    LEFT JOIN documents original ON original.id = d.duplicate_of AND original.content_hash = d.content_hash
    WHERE d.id = $1 AND d.status = 'deleted' AND d.purge_requested_at IS NULL AND d.uri IS NOT NULL
    FOR UPDATE OF d
),
document AS (
    UPDATE documents d
    SET status = 'pending',
        deleted_at = NULL,
        deletion_reason = NULL,
        -- Its points are deleted, or will be by the pending removal.
        chunk_count = 0,
        content_hash = NULL,
        -- A document that its source no longer lists is kept without its source.
        source_id = CASE WHEN before.deletion_reason = 'missing' THEN NULL ELSE d.source_id END,
        -- So is one that is no longer in the document that contained it.
        container_id = CASE WHEN before.deletion_reason = 'missing' THEN NULL ELSE d.container_id END,
        updated_at = now()
    FROM before
    WHERE d.id = before.id
    RETURNING d.*, before.copy_document_id, before.copy_generation
),
collection AS (
    UPDATE collections c
    SET document_count = c.document_count + 1, total_size_bytes = c.total_size_bytes + document.file_size,
        updated_at = now()
    FROM document
    WHERE c.id = document.collection_id
),
source AS (
    UPDATE collection_sources s
    SET document_count = s.document_count + 1, size_bytes = s.size_bytes + document.file_size, updated_at = now()
    FROM document
    WHERE s.id = document.source_id
)
INSERT INTO operation_items (
    operation_id, uri, location, file_name, size_bytes, mime_type, change_hint, document_id,
    copy_document_id, copy_generation
)
SELECT
    o.id,
    document.uri,
    coalesce(document.source_metadata ->> 'location', document.file_path),
    document.file_name,
    document.file_size,
    document.mime_type,
    document.change_hint,
    document.id,
    document.copy_document_id,
    document.copy_generation
FROM document
JOIN operations o ON o.uuid = $2
