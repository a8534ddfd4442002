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
    i.outermost_id,
    -- A reindex has an index and settings of its own.
    i.is_reindex,
    CASE WHEN i.is_reindex THEN o.meta ->> 'vector_store_name' ELSE c.vector_store_name END AS "vector_store_name!",
    CASE WHEN i.is_reindex THEN o.config ->> 'embedding_model' ELSE c.embedding_model END AS "embedding_model!",
    CASE WHEN i.is_reindex THEN o.config ->> 'quantization' ELSE c.quantization::text END AS "quantization!",
    CASE WHEN i.is_reindex THEN (o.config ->> 'chunk_size')::integer ELSE c.chunk_size END AS "chunk_size!",
    CASE WHEN i.is_reindex THEN (o.config ->> 'chunk_overlap')::integer ELSE c.chunk_overlap END AS "chunk_overlap!",
    CASE WHEN i.is_reindex THEN o.config ->> 'chunking_strategy' ELSE c.chunking_strategy END AS "chunking_strategy!",
    CASE WHEN i.is_reindex THEN coalesce(o.config -> 'chunking_config', '{}') ELSE c.chunking_config END AS "chunking_config!",
    CASE
        WHEN i.is_reindex THEN coalesce((o.config ->> 'contextualize')::boolean, FALSE)
        ELSE c.contextualize
    END AS "contextualize!",
    CASE WHEN i.is_reindex THEN coalesce((o.config ->> 'ocr')::boolean, c.ocr) ELSE c.ocr END AS "ocr!",
    i.is_reindex AND NOT c.ocr AND coalesce((o.config ->> 'ocr')::boolean, FALSE) AS "starts_ocr!",
    i.uri,
    -- The path of a document is that of the version that was staged last.
    coalesce(d.file_path, i.file_path, i.file_name) AS "file_path!",
    i.file_name,
    i.mime_type,
    i.size_bytes,
    i.document_id,
    i.generation,
    CASE
        -- In the index of a reindex, a document has its item's generation or none.
        WHEN i.is_reindex AND i.state = 'completed' THEN i.generation
        WHEN d.status <> 'deleted' AND NOT i.is_reindex THEN d.generation
    END AS "searchable_generation?",
    d.created_at AS "first_seen_at?",
    i.base_document_id,
    i.base_generation,
    original.id AS "original_id?",
    original.generation AS "original_generation?",
    original.is_open AS "original_is_open?",
    -- Without metadata of its own, an upload keeps the document's.
    coalesce(i.attributes, d.attributes, '{}') AS "attributes!: Json<DocumentMetadata>",
    coalesce(i.title, d.title) AS title,
    i.chunk_count,
    i.batch_count,
    i.batches_done,
    i.error_message AS last_error
FROM operation_items i
JOIN operations o ON o.id = i.operation_id
JOIN collections c ON c.id = o.collection_id
LEFT JOIN documents d ON d.id = i.document_id
-- The oldest document with the same bytes, which may be on its way in the same operation. A reindex gives it a new
-- generation.
LEFT JOIN LATERAL (
    SELECT oldest.id, coalesce(its.generation, oldest.last_generation) AS generation,
        coalesce(its.state IN ('listed', 'staged', 'chunked'), FALSE) AS is_open
    FROM (
        SELECT o.id, o.last_generation FROM documents o
        WHERE o.collection_id = d.collection_id AND o.content_hash = d.content_hash
            AND o.status IN ('pending', 'processing', 'completed') AND o.duplicate_of IS NULL
            AND (o.created_at, o.id) < (d.created_at, d.id)
        ORDER BY o.created_at, o.id
        LIMIT 1
    ) AS oldest
    LEFT JOIN operation_items its ON its.document_id = oldest.id AND its.operation_id = i.operation_id
) AS original ON i.state IN ('listed', 'staged', 'chunked')
WHERE i.id = ANY ($1)
