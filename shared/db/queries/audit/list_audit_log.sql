-- $1 collection or NULL, $2 collection name or NULL, $3 action or NULL, $4 user or NULL, $5 from or NULL, $6
-- until (exclusive) or NULL, $7 only entries before this ID or NULL, $8 limit.
SELECT
    a.id,
    a.collection_id,
    a.collection_name,
    o.uuid AS "operation_id?",
    a.user_id,
    a.username,
    a.api_key_id,
    k.name AS "api_key_name?",
    a.action,
    a.details,
    a.ip_address,
    a.user_agent,
    a.request_id,
    a.created_at
FROM collection_audit_log a
LEFT JOIN operations o ON o.id = a.operation_id
LEFT JOIN api_keys k ON k.id = a.api_key_id
WHERE ($1::uuid IS NULL OR a.collection_id = $1)
    AND ($2::text IS NULL OR lower(a.collection_name) = lower($2))
    AND ($3::text IS NULL OR a.action = $3)
    AND ($4::bigint IS NULL OR a.user_id = $4)
    AND ($5::timestamptz IS NULL OR a.created_at >= $5)
    AND ($6::timestamptz IS NULL OR a.created_at < $6)
    AND ($7::bigint IS NULL OR a.id < $7)
ORDER BY a.id DESC
LIMIT $8
