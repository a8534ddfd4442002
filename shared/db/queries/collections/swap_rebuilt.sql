-- $1 operation, $2 the current Qdrant collection, $3 the one that replaces it.
--
-- One statement, so that a search sees both changes or neither: the collection's new index, and the documents
-- that failed because they could not be rebuilt.
WITH collection AS (
    UPDATE collections c
    SET vector_store_name = $3, updated_at = now()
    FROM operations o
    WHERE o.uuid = $1
        AND o.status = 'processing'
        AND o.cancel_requested_at IS NULL
        AND c.id = o.collection_id
        AND c.deleted_at IS NULL
        AND c.vector_store_name = $2
    RETURNING o.id AS operation_id
),
lost AS (
    UPDATE documents d
    SET status = 'failed', error_message = i.error_message, error_category = i.error_category,
        content_hash = NULL, chunk_count = 0, updated_at = now()
    FROM collection
    JOIN operation_items i ON i.operation_id = collection.operation_id AND i.state = 'failed'
    WHERE d.id = i.document_id AND d.status <> 'deleted' AND d.generation = i.generation
)
SELECT count(*) = 1 AS "is_swapped!" FROM collection
