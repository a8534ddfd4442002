-- $1 collection, $2 name of the index to go back to.
--
-- Counters are computed from the documents, which were rolled back before.
WITH old AS (
    DELETE FROM retired_vector_stores r
    WHERE r.name = $2 AND r.collection_id = $1 AND r.dropped_at IS NULL
    RETURNING r.name, r.settings
),
replaced AS (
    SELECT c.id, c.vector_store_name FROM collections c CROSS JOIN old WHERE c.id = $1
),
retired AS (
    INSERT INTO retired_vector_stores (name, collection_id, drop_after)
    SELECT vector_store_name, id, now() FROM replaced
),
totals AS (
    SELECT coalesce(sum(d.chunk_count), 0) AS vectors
    FROM documents d
    WHERE d.collection_id = $1 AND d.status <> 'deleted'
)
UPDATE collections c
SET vector_store_name = old.name,
    qdrant_collections = jsonb_build_array(old.name),
    embedding_model = old.settings ->> 'embedding_model',
    quantization = (old.settings ->> 'quantization')::quantization,
    chunk_size = (old.settings ->> 'chunk_size')::integer,
    chunk_overlap = (old.settings ->> 'chunk_overlap')::integer,
    contextualize = coalesce((old.settings ->> 'contextualize')::boolean, FALSE),
    chunking_strategy = old.settings ->> 'chunking_strategy',
    chunking_config = old.settings -> 'chunking_config',
    -- An index that was replaced before there was OCR has no such setting.
    ocr = coalesce((old.settings ->> 'ocr')::boolean, c.ocr),
    vector_count = totals.vectors,
    updated_at = now()
FROM old CROSS JOIN totals
WHERE c.id = $1
