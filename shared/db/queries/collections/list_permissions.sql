-- $1 collection, $2 only this permission or NULL, $3 only those of this user and $4 of this API key, both
-- NULL for all, $5 limit, $6 offset.
SELECT
    p.id,
    p.collection_id,
    u.id AS user_id,
    u.username,
    k.id AS "api_key_id?",
    k.name AS "api_key_name?",
    p.permission::text AS "permission!",
    p.created_at
FROM collection_permissions p
LEFT JOIN api_keys k ON k.id = p.api_key_id
JOIN users u ON u.id = coalesce(p.user_id, k.user_id)
WHERE p.collection_id = $1
    AND ($2::bigint IS NULL OR p.id = $2)
    AND (($3::bigint IS NULL AND $4::uuid IS NULL) OR p.user_id = $3 OR p.api_key_id = $4)
ORDER BY p.id
LIMIT $5 OFFSET $6
