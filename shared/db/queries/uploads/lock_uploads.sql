-- $1 uploads, $2 collection.
SELECT
    u.id,
    u.collection_id,
    u.user_id,
    u.name,
    u.object_key,
    u.size_bytes,
    u.content_type,
    u.sha256,
    u.status::text AS "status!",
    NULL::uuid AS "operation_id?",
    u.expires_at,
    u.received_at,
    u.created_at,
    u.attributes AS "attributes: Json<DocumentMetadata>",
    u.api_key_id,
    u.reason,
    u.etag,
    u.uri,
    u.push_source,
    u.title,
    u.url,
    -- A retry can read the object of an item that did not fail for good.
    EXISTS (
        SELECT FROM operation_items i
        WHERE i.operation_id = u.operation_id
            AND i.uri IN (u.uri, 'upload://' || u.name, 'upload://' || normalize(u.name, NFD))
            AND i.location = u.object_key
            AND (i.state = 'listed' OR (i.state = 'failed' AND i.error_category <> 'permanent'))
    ) AS "needs_object!"
FROM uploads u
WHERE u.id = ANY ($1) AND u.collection_id = $2
ORDER BY u.id
FOR UPDATE OF u
