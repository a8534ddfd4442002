-- $1 collections or NULL, $2 user or NULL, $3 statuses or {}, $4 types or {}, $5 limit, $6 offset.
SELECT
    id,
    uuid,
    collection_id,
    user_id,
    source_id,
    type::text AS "operation_type!",
    status::text AS "status!",
    config,
    error_message,
    error_category::text AS error_category,
    created_at,
    updated_at,
    started_at,
    completed_at,
    cancel_requested_at,
    dispatched_at,
    scan_cursor,
    scan_finished_at,
    meta
FROM operations
WHERE ($1::uuid[] IS NULL OR collection_id = ANY ($1))
    AND ($2::bigint IS NULL OR user_id = $2)
    AND ($3::text[] = '{}' OR status = ANY ($3::text[]::operation_status[]))
    AND ($4::text[] = '{}' OR type = ANY ($4::text[]::operation_type[]))
ORDER BY id DESC
LIMIT $5 OFFSET $6
