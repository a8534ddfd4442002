-- $1 item, $2 document, $3 collection, $4 source, $5 the item's new state (staged, duplicate,
-- skipped, failed), $6 hash, $7 size, $8 media type, $9 original of a duplicate, $10 reason,
-- $11 category, $12 change hint of the version that was read or NULL, $13 bytes that a user may own
-- where no limit was set.
WITH original AS (
    -- Locked: it must not fail between this look and the commit.
    SELECT id FROM documents
    WHERE id = $9 AND content_hash = $6 AND status NOT IN ('failed', 'skipped', 'deleted')
    FOR SHARE
),
listed AS (
    -- Locked: of two deliveries of one message, one counts.
    SELECT id FROM operation_items WHERE id = $1 AND state = 'listed' FOR UPDATE
),
asked AS (
    -- What the document adds to what it holds already.
    SELECT
        1 - count(d.id) AS documents,
        CASE WHEN $5::text = 'staged' THEN $7::bigint ELSE 0 END
            - coalesce(sum(d.file_size) FILTER (WHERE d.duplicate_of IS NULL), 0)::bigint AS bytes
    FROM documents d
    WHERE d.id = $2 AND d.status IN ('pending', 'processing', 'completed')
),
owner AS (
    -- The owner's other collections as of now: two that grow at the same moment may pass the owner's
    -- limit by what they stage in it. A collection never passes its own.
    SELECT
        coalesce(u.max_storage_bytes, $13::bigint) AS max_bytes,
        (
            SELECT coalesce(sum(coalesce(ol.used_bytes, other.total_size_bytes)), 0)::bigint
            FROM collections other
            LEFT JOIN collection_resource_limits ol ON ol.collection_id = other.id
            WHERE other.owner_id = c.owner_id AND other.id <> c.id AND other.deleted_at IS NULL
        ) AS other_bytes
    FROM collections c
    LEFT JOIN user_resource_limits u ON u.user_id = c.owner_id
    WHERE c.id = $3
),
room AS (
    UPDATE collection_resource_limits l
    SET used_documents = l.used_documents + asked.documents,
        used_bytes = l.used_bytes + asked.bytes
    FROM listed CROSS JOIN asked CROSS JOIN owner
    WHERE l.collection_id = $3
        AND $5::text IN ('staged', 'duplicate')
        AND ($9::uuid IS NULL OR EXISTS (SELECT FROM original))
        AND (asked.documents <= 0 OR l.used_documents + asked.documents <= l.max_documents)
        AND (
            asked.bytes <= 0
            OR (
                l.used_bytes + asked.bytes <= l.max_storage_bytes
                AND owner.other_bytes + l.used_bytes + asked.bytes <= owner.max_bytes
            )
        )
    RETURNING l.collection_id
),
item AS (
    UPDATE operation_items i
    SET state = $5::text::item_state,
        document_id = $2,
        content_hash = $6,
        size_bytes = $7,
        mime_type = $8,
        change_hint = coalesce($12, i.change_hint),
        error_message = $10,
        error_category = $11::text::error_category,
        dispatched_at = now(),
        updated_at = now()
    WHERE i.id = $1
        AND i.state = 'listed'
        AND ($9::uuid IS NULL OR EXISTS (SELECT FROM original))
        -- What holds nothing needs no room.
        AND ($5::text NOT IN ('staged', 'duplicate') OR EXISTS (SELECT FROM room))
    RETURNING i.uri, i.location, i.file_name, i.change_hint, coalesce(i.generation, 1) AS generation
)
INSERT INTO documents AS d (
    id, collection_id, source_id, uri, file_path, file_name, file_size, mime_type, content_hash,
    status, error_message, error_category, generation, last_generation, change_hint, duplicate_of,
    last_seen_at, source_metadata
)
SELECT
    $2, $3, $4, item.uri,
    -- People know an upload by its name, not by its key.
    CASE WHEN starts_with(item.uri, 'upload://') THEN substr(item.uri, 10) ELSE item.location END,
    item.file_name, $7, $8,
    -- What failed lays no claim to its bytes: a copy of them gets its own chance.
    CASE WHEN $5::text <> 'failed' THEN $6 END,
    CASE $5::text WHEN 'staged' THEN 'pending' WHEN 'duplicate' THEN 'completed' ELSE $5::text END::document_status,
    $10,
    $11::text::error_category,
    CASE WHEN $5::text IN ('duplicate', 'skipped') THEN item.generation ELSE 0 END,
    item.generation,
    CASE WHEN $5::text IN ('duplicate', 'skipped') THEN item.change_hint END,
    $9,
    now(),
    jsonb_build_object('location', item.location)
FROM item
ON CONFLICT (id) DO UPDATE
SET source_id = EXCLUDED.source_id,
    file_path = EXCLUDED.file_path,
    file_name = EXCLUDED.file_name,
    source_metadata = d.source_metadata || EXCLUDED.source_metadata,
    content_hash = EXCLUDED.content_hash,
    last_generation = greatest(d.last_generation, EXCLUDED.last_generation),
    duplicate_of = EXCLUDED.duplicate_of,
    last_seen_at = now(),
    is_stale = FALSE,
    updated_at = now(),
    deleted_at = NULL,
    -- A searchable document that has changed shows its old version until the new one is indexed.
    status = CASE WHEN EXCLUDED.status = 'pending' AND d.status = 'completed' AND d.duplicate_of IS NULL
        THEN d.status ELSE EXCLUDED.status END,
    file_size = CASE WHEN EXCLUDED.status = 'pending' AND d.status = 'completed' AND d.duplicate_of IS NULL
        THEN d.file_size ELSE EXCLUDED.file_size END,
    mime_type = CASE WHEN EXCLUDED.status = 'pending' AND d.status = 'completed' AND d.duplicate_of IS NULL
        THEN d.mime_type ELSE EXCLUDED.mime_type END,
    error_message = EXCLUDED.error_message,
    error_category = EXCLUDED.error_category,
    change_hint = CASE WHEN EXCLUDED.status IN ('pending', 'failed') THEN d.change_hint ELSE EXCLUDED.change_hint END,
    -- A duplicate or empty document has no points: the new generation makes search drop the old ones.
    generation = CASE
        WHEN EXCLUDED.status IN ('pending', 'failed') AND d.status <> 'deleted' THEN d.generation
        ELSE EXCLUDED.generation
    END,
    chunk_count = CASE
        WHEN EXCLUDED.status IN ('pending', 'failed') AND d.status <> 'deleted' THEN d.chunk_count
        ELSE 0
    END
RETURNING d.id
