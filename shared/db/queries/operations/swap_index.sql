-- $1 reindex, $2 seconds to keep the replaced index.
--
-- Makes the new index the collection's index and schedules the previous one to be dropped.
WITH replaced AS (
    SELECT c.id, c.vector_store_name, o.id AS operation_id, c.qdrant_staging AS staging,
        jsonb_build_object(
            'embedding_model', c.embedding_model,
            'quantization', c.quantization,
            'chunk_size', c.chunk_size,
            'chunk_overlap', c.chunk_overlap,
            'contextualize', c.contextualize,
            'chunking_strategy', c.chunking_strategy,
            'chunking_config', c.chunking_config,
            'ocr', c.ocr
        ) AS settings
    FROM operations o
    JOIN collections c ON c.id = o.collection_id AND c.qdrant_staging ->> 'operation_id' = o.uuid::text
    WHERE o.id = $1 AND o.status = 'processing' AND c.deleted_at IS NULL
),
retired AS (
    INSERT INTO retired_vector_stores (name, collection_id, operation_id, replaced_by, settings, drop_after)
    SELECT vector_store_name, id, operation_id, staging ->> 'vector_store_name', settings,
        now() + make_interval(secs => $2)
    FROM replaced
    RETURNING drop_after
),
collection AS (
    UPDATE collections c
    SET vector_store_name = replaced.staging ->> 'vector_store_name',
        qdrant_collections = jsonb_build_array(replaced.staging -> 'vector_store_name'),
        qdrant_staging = NULL,
        embedding_model = replaced.staging #>> '{settings,embedding_model}',
        quantization = (replaced.staging #>> '{settings,quantization}')::quantization,
        chunk_size = (replaced.staging #>> '{settings,chunk_size}')::integer,
        chunk_overlap = (replaced.staging #>> '{settings,chunk_overlap}')::integer,
        contextualize = coalesce((replaced.staging #>> '{settings,contextualize}')::boolean, FALSE),
        chunking_strategy = replaced.staging #>> '{settings,chunking_strategy}',
        chunking_config = replaced.staging #> '{settings,chunking_config}',
        -- A reindex that was requested before there was OCR has no such setting.
        ocr = coalesce((replaced.staging #>> '{settings,ocr}')::boolean, c.ocr),
        updated_at = now()
    FROM replaced
    WHERE c.id = replaced.id
    RETURNING c.id, c.name
),
audit AS (
    INSERT INTO collection_audit_log (collection_id, collection_name, operation_id, user_id, action, details)
    SELECT collection.id, collection.name, o.id, o.user_id, 'collection_reindexed',
        jsonb_build_object(
            'operation_id', o.uuid,
            'before', replaced.settings,
            'after', replaced.staging -> 'settings',
            'kept_until', retired.drop_after
        )
    FROM replaced CROSS JOIN retired CROSS JOIN collection JOIN operations o ON o.id = replaced.operation_id
)
-- Allows the operation to end: until here, its documents are in an index that is not searched.
UPDATE operations o
SET meta = o.meta || jsonb_build_object(
        'replaced', jsonb_build_object('vector_store_name', replaced.vector_store_name, 'kept_until', retired.drop_after)
    ),
    updated_at = now()
FROM replaced CROSS JOIN retired CROSS JOIN collection
WHERE o.id = replaced.operation_id
