-- $1 document, $2 collection, $3 content hash of the bytes that were read.
SELECT
    d.status::text AS status,
    d.content_hash AS "content_hash?",
    d.generation AS "generation?",
    d.last_generation AS "last_generation?",
    d.duplicate_of AS "duplicate_of?",
    d.source_id AS "source_id?",
    d.chunk_count AS "chunk_count?",
    d.attributes AS "attributes?: Json<DocumentMetadata>",
    other.id AS "original_id?",
    (
        (other.status = 'completed' AND other.generation = other.last_generation)
        -- One operation runs per collection, so an open item belongs to the caller's operation.
        OR EXISTS (
            SELECT FROM operation_items i
            JOIN operations o ON o.id = i.operation_id AND o.status = 'processing'
            WHERE i.document_id = other.id AND i.content_hash = $3 AND i.state IN ('staged', 'chunked')
        )
    ) AS original_is_indexed
FROM (SELECT 1) AS always
LEFT JOIN documents d ON d.id = $1
LEFT JOIN documents other ON other.collection_id = $2
    AND other.content_hash = $3
    AND other.id <> $1
    AND other.status NOT IN ('deleted', 'skipped')
    AND other.duplicate_of IS NULL
