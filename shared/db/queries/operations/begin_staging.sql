-- $1 operation, $2 items.
WITH reserved AS (
    UPDATE operation_items i
    SET attempts = i.attempts + 1,
        -- Kept from the first attempt, so that a retry writes the same objects.
        generation = coalesce(i.generation, 1 + coalesce((
            SELECT greatest(d.last_generation, d.reserved_generation) FROM documents d
            -- A purged document has left its numbers behind.
            WHERE d.collection_id = o.collection_id AND d.uri = ANY (ARRAY[i.uri, purged_uri(o.collection_id, i.uri)])
            ORDER BY 1 DESC
            LIMIT 1
        ), 0)),
        updated_at = now()
    FROM operations o
    WHERE o.uuid = $1 AND i.operation_id = o.id AND i.id = ANY ($2) AND i.state = 'listed' AND NOT i.is_removal
    RETURNING i.id, i.generation
)
SELECT
    i.id,
    i.state::text AS "state!",
    i.is_removal,
    i.uri,
    i.location,
    i.file_name,
    i.size_bytes,
    i.mime_type,
    i.change_hint,
    i.is_fetched,
    i.attributes AS "attributes: Json<DocumentMetadata>",
    i.title,
    coalesce(reserved.generation, i.generation, 1) AS "generation!",
    i.document_id,
    coalesce(i.container_id, d.container_id) AS container_id,
    i.container_id IS NOT NULL AND NOT i.is_removal AS "is_extracted!",
    coalesce(o.source_id, d.source_id) AS source_id,
    i.copy_document_id,
    -- A retry reads the bytes that were staged last, by whichever operation.
    CASE WHEN o.type = 'retry_documents' THEN d.last_generation ELSE i.copy_generation END AS copy_generation
FROM operation_items i
JOIN operations o ON o.id = i.operation_id AND o.uuid = $1
LEFT JOIN reserved ON reserved.id = i.id
LEFT JOIN documents d ON d.id = i.document_id
WHERE i.id = ANY ($2)
ORDER BY i.id
