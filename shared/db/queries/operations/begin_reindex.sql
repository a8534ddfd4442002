-- $1 operation, $2 base name of the new index, without its number.
--
-- Records the index that the operation builds, once: on the collection, and on the operation for messages
-- that arrive after its end.
WITH held AS (
    -- Lock order: collection, then operation.
    SELECT c.id FROM operations o JOIN collections c ON c.id = o.collection_id
    WHERE o.uuid = $1
    FOR NO KEY UPDATE OF c
),
running AS (
    SELECT o.id, o.uuid, o.collection_id, o.config
    FROM held JOIN operations o ON o.collection_id = held.id
    WHERE o.uuid = $1 AND o.type = 'reindex' AND o.status = 'processing' AND o.cancel_requested_at IS NULL
    FOR UPDATE OF o
),
collection AS (
    UPDATE collections c
    SET index_generation = c.index_generation + 1,
        qdrant_staging = jsonb_build_object(
            'operation_id', running.uuid,
            'vector_store_name', $2::text || '_g' || (c.index_generation + 1),
            'created_at', now(),
            'settings', running.config
        ),
        updated_at = now()
    FROM running
    WHERE c.id = running.collection_id AND c.deleted_at IS NULL AND c.qdrant_staging IS NULL
    RETURNING running.id, c.qdrant_staging ->> 'vector_store_name' AS name
)
UPDATE operations o
SET meta = o.meta || jsonb_build_object('vector_store_name', collection.name), updated_at = now()
FROM collection
WHERE o.id = collection.id
