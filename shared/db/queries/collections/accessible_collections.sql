-- $1 user, $2 API key or NULL, $3 only these collections or NULL for all, $4 whether to include public
-- collections, $5 limit, $6 offset, $7 only the user's own, $8 text in name or description or NULL, $9 status
-- or NULL, $10 sort key, $11 whether to sort ascending.
--
-- The only place that decides what a caller may do with a collection: 0 nothing, 1 read, 2 write, 3 admin, 4
-- owner.
WITH caller AS (
    -- A key acts for its user, within its scope, on the collections that it is limited to. Permissions
    -- granted to the key itself are added.
    SELECT
        api_keys.collection_ids AS only_ids,
        CASE
            WHEN $2::uuid IS NULL OR api_keys.scope = 'admin' THEN 4
            WHEN api_keys.scope = 'write' THEN 2
            WHEN api_keys.scope = 'read' THEN 1
            ELSE 0
        END AS most
    FROM (SELECT 1) AS always
    LEFT JOIN api_keys ON api_keys.id = $2::uuid AND api_keys.user_id = $1 AND api_keys.is_active
),
candidates AS (
    -- Candidates: the requested IDs, or everything that an index relates to the caller. May include too many;
    -- the access level is computed for each below.
    SELECT unnest($3::uuid[]) AS id
    UNION
    SELECT id FROM collections WHERE $3::uuid[] IS NULL AND owner_id = $1
    UNION
    SELECT collection_id FROM collection_permissions WHERE $3::uuid[] IS NULL AND user_id = $1
    UNION
    SELECT collection_id FROM collection_permissions WHERE $3::uuid[] IS NULL AND api_key_id = $2::uuid
    UNION
    SELECT id FROM collections WHERE $3::uuid[] IS NULL AND $4 AND is_public AND deleted_at IS NULL
)
SELECT
    c.id,
    c.name,
    c.description,
    c.owner_id,
    c.vector_store_name,
    c.embedding_model,
    c.quantization::text AS "quantization!",
    c.chunking_strategy,
    c.chunking_config,
    c.chunk_size,
    c.chunk_overlap,
    c.contextualize,
    c.ocr,
    c.is_public,
    c.created_at,
    c.updated_at,
    c.deleted_at,
    -- A list leaves it out: it may be large.
    CASE WHEN $3::uuid[] IS NULL THEN '{}'::jsonb ELSE c.meta END AS "meta!",
    c.status::text AS "status!",
    c.status_message,
    c.document_count,
    c.vector_count,
    c.total_size_bytes,
    c.sync_mode,
    c.sync_interval_minutes,
    c.sync_paused_at,
    c.sync_next_run_at,
    c.sync_last_run_started_at,
    c.sync_last_run_completed_at,
    c.sync_last_run_status,
    c.sync_last_error,
    granted.level AS "level!",
    count(*) OVER () AS "total!"
FROM candidates
CROSS JOIN caller
-- LIMIT makes the planner read each row once by its primary key, whatever it estimates.
CROSS JOIN LATERAL (SELECT * FROM collections WHERE collections.id = candidates.id LIMIT 1) AS c
CROSS JOIN LATERAL (
    SELECT least(caller.most, greatest(
        (
            SELECT array_position(enum_range(NULL::permission), by_key.permission)
            FROM collection_permissions by_key
            WHERE by_key.collection_id = c.id AND by_key.api_key_id = $2::uuid
        ),
        CASE
            WHEN caller.only_ids IS NOT NULL AND NOT (c.id = ANY (caller.only_ids)) THEN 0
            ELSE greatest(
                CASE WHEN c.owner_id = $1 THEN 4 ELSE 0 END,
                (
                    SELECT array_position(enum_range(NULL::permission), by_user.permission)
                    FROM collection_permissions by_user
                    WHERE by_user.collection_id = c.id AND by_user.user_id = $1
                ),
                CASE WHEN c.is_public AND $4 THEN 1 ELSE 0 END
            )
        END
    )) AS level
    LIMIT 1
) AS granted
WHERE c.deleted_at IS NULL
    AND granted.level > 0
    AND (NOT $7::boolean OR c.owner_id = $1)
    AND (
        $8::text IS NULL
        OR strpos(lower(c.name), lower($8)) > 0
        OR strpos(lower(coalesce(c.description, '')), lower($8)) > 0
    )
    AND ($9::text IS NULL OR c.status = $9::text::collection_status)
ORDER BY
    CASE WHEN $10::text = 'created_at' AND $11::boolean THEN c.created_at END,
    CASE WHEN $10::text = 'created_at' AND NOT $11::boolean THEN c.created_at END DESC,
    CASE WHEN $10::text = 'updated_at' AND $11::boolean THEN c.updated_at END,
    CASE WHEN $10::text = 'updated_at' AND NOT $11::boolean THEN c.updated_at END DESC,
    CASE WHEN $10::text = 'name' AND $11::boolean THEN lower(c.name) END,
    CASE WHEN $10::text = 'name' AND NOT $11::boolean THEN lower(c.name) END DESC,
    CASE WHEN $10::text = 'document_count' AND $11::boolean THEN c.document_count END,
    CASE WHEN $10::text = 'document_count' AND NOT $11::boolean THEN c.document_count END DESC,
    c.id
LIMIT $5 OFFSET $6
