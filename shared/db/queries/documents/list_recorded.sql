-- $1 collection, $2 only documents after this one or NULL, $3 only documents up to this one or NULL, $4 limit.
SELECT
    d.id,
    d.status::text AS "status!",
    d.error_message IS NOT NULL AS "has_reason!",
    d.duplicate_of IS NOT NULL AS "is_duplicate!",
    d.generation,
    d.chunk_count,
    greatest(d.last_generation, d.reserved_generation) AS "last_generation!",
    (
        SELECT max(a.generation) FROM document_artifacts a
        WHERE a.document_id = d.id AND a.artifact_kind = 'primary' AND a.generation <= d.generation
    ) AS content_generation,
    array(SELECT DISTINCT k.generation FROM kept_generations k WHERE k.document_id = d.id ORDER BY 1) AS "kept!",
    EXISTS (SELECT FROM erasures e WHERE e.document_id = d.id) AS "is_erasing!",
    -- Also if its item has ended: what the end of the item leaves to do is done before the operation ends.
    EXISTS (
        SELECT FROM operations o
        JOIN operation_items i ON i.operation_id = o.id AND i.uri = coalesce(d.uri, d.id::text)
        WHERE o.collection_id = d.collection_id AND o.status IN ('pending', 'processing')
    ) AS "is_in_progress!"
FROM documents d
WHERE d.collection_id = $1 AND ($2::uuid IS NULL OR d.id > $2) AND ($3::uuid IS NULL OR d.id <= $3)
ORDER BY d.id
LIMIT $4
