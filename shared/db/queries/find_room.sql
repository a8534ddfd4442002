-- $1 collection, $2 document, $3 bytes of its new version, $4 bytes that a user may own where no limit was
-- set. Why stage_item.sql finds no room: the same numbers, to say them.
SELECT
    l.max_documents,
    l.used_documents,
    l.max_storage_bytes,
    l.used_bytes,
    coalesce(u.max_storage_bytes, $4::bigint) AS "owner_max_bytes!",
    l.used_bytes + (
        SELECT coalesce(sum(coalesce(ol.used_bytes, other.total_size_bytes)), 0)::bigint
        FROM collections other
        LEFT JOIN collection_resource_limits ol ON ol.collection_id = other.id
        WHERE other.owner_id = c.owner_id AND other.id <> c.id AND other.deleted_at IS NULL
    ) AS "owner_used_bytes!",
    asked.documents AS "asked_documents!",
    asked.bytes AS "asked_bytes!"
FROM collection_resource_limits l
JOIN collections c ON c.id = l.collection_id
LEFT JOIN user_resource_limits u ON u.user_id = c.owner_id
CROSS JOIN LATERAL (
    SELECT
        1 - count(d.id) AS documents,
        $3::bigint - coalesce(sum(d.file_size) FILTER (WHERE d.duplicate_of IS NULL), 0)::bigint AS bytes
    FROM documents d
    WHERE d.id = $2 AND d.status IN ('pending', 'processing', 'completed')
) AS asked
WHERE l.collection_id = $1
