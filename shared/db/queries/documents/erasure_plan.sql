-- $1 document. What of it can be erased; no row if the document or its collection is gone or is being deleted,
-- because the deletion of a collection erases everything of it.
SELECT
    d.collection_id,
    -- Later numbers are handed out from here on, and belong to whoever got them.
    greatest(d.generation, d.last_generation, d.reserved_generation) AS "newest!",
    coalesce((SELECT array_agg(k.generation) FROM kept_generations k WHERE k.document_id = d.id), '{}') AS "kept!",
    (SELECT min(k.kept_until) FROM kept_generations k WHERE k.document_id = d.id) AS kept_until,
    d.purge_requested_at IS NOT NULL AS "is_purge!",
    -- Until the operation that deletes its points has run, and no other reads or writes it.
    EXISTS (
        SELECT FROM operation_items i
        WHERE i.document_id = d.id AND i.state IN ('listed', 'staged', 'chunked')
    ) OR EXISTS (
        SELECT FROM operations o JOIN operation_items i ON i.operation_id = o.id AND i.uri = d.uri
        WHERE o.collection_id = d.collection_id AND o.status IN ('pending', 'processing')
            AND i.state IN ('listed', 'staged', 'chunked')
    ) AS "is_in_use!",
    -- Objects that it came from: the latest, drops of its name, and announced files that are not deleted yet.
    array_remove(
        array[d.source_metadata ->> 'location'] || array(
            SELECT format('uploads/%s/%s', d.collection_id, spelling.name)
            FROM (VALUES (substr(d.uri, 10)), (normalize(substr(d.uri, 10), NFD))) AS spelling (name)
            WHERE starts_with(d.uri, 'upload://')
        ) || array(
            SELECT u.object_key FROM uploads u
            WHERE u.collection_id = d.collection_id AND u.holds_object
                AND (
                    u.uri = d.uri
                    OR (
                        u.uri IS NULL
                        AND starts_with(d.uri, 'upload://')
                        AND u.name IN (substr(d.uri, 10), normalize(substr(d.uri, 10), NFC))
                    )
                )
        ),
        NULL
    ) AS "locations!",
    array_remove(
        array[c.vector_store_name, c.qdrant_staging ->> 'vector_store_name'] || array(
            SELECT r.name FROM retired_vector_stores r WHERE r.collection_id = c.id AND r.dropped_at IS NULL
        ),
        NULL
    ) AS "indexes!"
FROM documents d
JOIN collections c ON c.id = d.collection_id AND c.deleted_at IS NULL
WHERE d.id = $1
