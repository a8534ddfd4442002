-- $1 minimum age of the deletion in seconds, $2 maximum number of documents.
--
-- Deleted documents that still have points, in collections without open operations: the operation that should
-- delete the points failed or was cancelled.
WITH unpurged AS (
    SELECT d.*
    FROM documents d
    JOIN collections c ON c.id = d.collection_id AND c.deleted_at IS NULL
    WHERE d.status = 'deleted'
        AND d.chunk_count > 0
        AND d.uri IS NOT NULL
        AND coalesce(d.deleted_at, d.updated_at) < now() - make_interval(secs => $1)
        AND NOT EXISTS (
            SELECT FROM operations o
            WHERE o.collection_id = d.collection_id AND o.status IN ('pending', 'processing')
        )
    ORDER BY d.collection_id, d.id
    LIMIT $2
),
operation AS (
    INSERT INTO operations (uuid, collection_id, user_id, type, config)
    SELECT gen_random_uuid(), c.id, c.owner_id, 'remove_documents',
        '{"reason": "points of deleted documents were not deleted"}'
    FROM collections c
    WHERE c.id IN (SELECT collection_id FROM unpurged)
    RETURNING id, uuid, collection_id
),
item AS (
    INSERT INTO operation_items (operation_id, uri, location, file_name, mime_type, document_id, is_removal)
    SELECT operation.id, d.uri, coalesce(d.source_metadata ->> 'location', d.file_path), d.file_name, d.mime_type, d.id, TRUE
    FROM unpurged d
    JOIN operation ON operation.collection_id = d.collection_id
    ON CONFLICT (operation_id, uri) DO NOTHING
)
SELECT uuid FROM operation
