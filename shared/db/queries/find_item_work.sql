-- $1 items.
SELECT
    i.id,
    o.uuid AS operation_id,
    (
        o.status = 'processing' AND o.cancel_requested_at IS NULL AND c.deleted_at IS NULL
        AND coalesce(d.status <> 'deleted', TRUE)
    ) AS "is_wanted!",
    i.state::text AS "state!",
    o.collection_id,
    coalesce(o.source_id, d.source_id) AS source_id,
    c.vector_store_name,
    c.embedding_model,
    c.quantization::text AS "quantization!",
    c.chunk_size,
    c.chunk_overlap,
    c.chunking_strategy,
    i.uri,
    i.location,
    i.file_name,
    i.mime_type,
    i.size_bytes,
    i.document_id,
    i.generation,
    CASE WHEN d.status <> 'deleted' THEN d.generation END AS "searchable_generation?",
    d.created_at AS "first_seen_at?",
    i.base_document_id,
    i.base_generation,
    i.chunk_count,
    i.batch_count,
    i.batches_done
FROM operation_items i
JOIN operations o ON o.id = i.operation_id
JOIN collections c ON c.id = o.collection_id
LEFT JOIN documents d ON d.id = i.document_id
WHERE i.id = ANY ($1)
