-- $1 operation.
--
-- Adds every searchable document, with the generation that it gets in the new index.
WITH running AS (
    SELECT id, collection_id FROM operations
    WHERE uuid = $1 AND type = 'reindex' AND status = 'processing' AND scan_finished_at IS NULL
        AND cancel_requested_at IS NULL
    FOR UPDATE
),
document AS (
    UPDATE documents d
    SET reserved_generation = 1 + greatest(d.generation, d.last_generation, d.reserved_generation)
    FROM running
    WHERE d.collection_id = running.collection_id
        AND d.status <> 'deleted'
        AND d.generation > 0
        AND d.chunk_count > 0
        AND NOT EXISTS (
            SELECT FROM operation_items i WHERE i.operation_id = running.id AND i.document_id = d.id
        )
    RETURNING d.*
)
INSERT INTO operation_items (
    operation_id, uri, location, file_name, size_bytes, mime_type, document_id, generation,
    base_document_id, base_generation, base_chunk_count, is_reindex, is_new
)
SELECT
    running.id,
    coalesce(document.uri, document.id::text),
    coalesce(document.source_metadata ->> 'location', document.file_path),
    document.file_name,
    document.file_size,
    document.mime_type,
    document.id,
    document.reserved_generation,
    document.id,
    document.generation,
    document.chunk_count,
    TRUE,
    FALSE
FROM document CROSS JOIN running
ON CONFLICT (operation_id, uri) DO NOTHING
