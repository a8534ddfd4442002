-- $1 item, $2 document, $3 collection, $4 source, $5 the item's new state (staged, skipped, failed), $6 content
-- hash, $7 size in bytes, $8 media type, $9 reason, $10 category, $11 change hint of the version that was read or
-- NULL.
WITH known AS (
    SELECT status, chunk_count FROM documents WHERE id = $2 AND status <> 'deleted'
),
live AS (
    SELECT id, generation FROM documents
    WHERE collection_id = $3 AND content_hash = $6 AND id <> $2 AND status = 'completed' AND chunk_count > 0
        AND generation = last_generation
    ORDER BY created_at, id
    LIMIT 1
),
deleted AS (
    SELECT id, generation FROM documents
    WHERE collection_id = $3 AND content_hash = $6 AND id <> $2 AND status = 'deleted' AND duplicate_of IS NULL
        AND generation > 0 AND generation = last_generation AND NOT EXISTS (SELECT FROM live)
    ORDER BY created_at, id
    LIMIT 1
),
-- The version whose staged vectors can be reused: one with the same bytes, else the document's own.
base AS (
    SELECT id, generation
    FROM (
        SELECT id, generation, content_hash IS NOT DISTINCT FROM $6 AND generation = last_generation AS is_equal,
            TRUE AS is_own
        FROM documents WHERE id = $2 AND generation > 0 AND duplicate_of IS NULL
        UNION ALL SELECT id, generation, TRUE, FALSE FROM live
        UNION ALL SELECT id, generation, TRUE, FALSE FROM deleted
    ) AS candidates
    WHERE $5::text = 'staged'
    ORDER BY is_equal DESC, is_own DESC
    LIMIT 1
),
-- Locked, so that the document that contains it is not deleted without it.
container AS (
    SELECT d.id
    FROM operation_items i JOIN documents d ON d.id = i.container_id
    WHERE i.id = $1 AND d.status <> 'deleted'
    FOR SHARE OF d
),
item AS (
    UPDATE operation_items i
    SET state = $5::text::item_state,
        document_id = $2,
        content_hash = $6,
        size_bytes = $7,
        mime_type = $8,
        change_hint = coalesce($11, i.change_hint),
        error_message = $9,
        error_category = $10::text::error_category,
        base_document_id = (SELECT id FROM base),
        base_generation = (SELECT generation FROM base),
        is_new = NOT EXISTS (
            SELECT FROM known
            WHERE known.status IN ('completed', 'skipped') OR known.chunk_count > 0
        ),
        staged_at = now(),
        dispatched_at = now(),
        updated_at = now()
    WHERE i.id = $1
        AND i.state = 'listed'
        AND (i.container_id IS NULL OR EXISTS (SELECT FROM container))
    RETURNING i.uri, i.location, i.file_name, i.file_path, i.change_hint, i.created_at, i.attributes,
        i.url, i.title,
        coalesce(i.generation, 1) AS generation, i.container_id
),
object AS (
    -- The caller deletes the announced file once this is committed: it is staged, or will not be read.
    UPDATE uploads
    SET holds_object = FALSE
    FROM item
    WHERE uploads.object_key = item.location AND uploads.holds_object
),
document AS (
    INSERT INTO documents AS d (
        id, collection_id, source_id, uri, file_path, file_name, file_size, mime_type, content_hash,
        status, error_message, error_category, generation, last_generation, change_hint,
        last_seen_at, source_metadata, staged_size, attributes, url, title, container_id
    )
    SELECT
        $2, $3, $4, item.uri,
        -- Users know a document by its path within its source, not by where that is on the server. A retry has
        -- no listing, so the path stays.
        normalize(CASE
            WHEN starts_with(item.uri, 'upload://') THEN substr(item.uri, 10)
            ELSE coalesce(item.file_path, (SELECT file_path FROM documents WHERE id = $2), item.file_name)
        END, NFC),
        item.file_name, $7, $8,
        -- A failed document does not claim its bytes, so that a copy of it is tried on its own.
        CASE WHEN $5::text <> 'failed' THEN $6 END,
        CASE $5::text WHEN 'staged' THEN 'pending' ELSE $5::text END::document_status,
        $9,
        $10::text::error_category,
        CASE WHEN $5::text = 'skipped' THEN item.generation ELSE 0 END,
        item.generation,
        CASE WHEN $5::text = 'skipped' THEN item.change_hint END,
        now(),
        jsonb_build_object('location', item.location),
        $7,
        coalesce(item.attributes, '{}'),
        item.url,
        item.title,
        item.container_id
    FROM item
    ON CONFLICT (id) DO UPDATE
    SET uri = EXCLUDED.uri,
        file_path = EXCLUDED.file_path,
        file_name = EXCLUDED.file_name,
        source_metadata = d.source_metadata || EXCLUDED.source_metadata,
        content_hash = EXCLUDED.content_hash,
        staged_size = EXCLUDED.staged_size,
        -- A retry or restore of the document alone does not say what contains it.
        container_id = coalesce(EXCLUDED.container_id, d.container_id),
        last_generation = greatest(d.last_generation, EXCLUDED.last_generation),
        -- It has points of its own from here on.
        duplicate_of = NULL,
        last_seen_at = now(),
        is_stale = FALSE,
        updated_at = now(),
        deleted_at = NULL,
        deletion_reason = NULL,
        -- A purge that is not done yet goes on as the erasure of the generations before this one.
        purge_requested_at = NULL,
        purge_user_id = NULL,
        purge_api_key_id = NULL,
        purged_at = NULL,
        created_at = CASE WHEN d.purge_requested_at IS NULL THEN d.created_at ELSE now() END,
        -- A changed document shows its searchable version until the new one is indexed.
        status = CASE WHEN EXCLUDED.status = 'pending' AND d.status = 'completed' AND d.chunk_count > 0
            THEN d.status ELSE EXCLUDED.status END,
        -- The row keeps the source that is in the payload of the searchable points.
        source_id = CASE WHEN EXCLUDED.status = 'pending' AND d.status = 'completed' AND d.chunk_count > 0
            THEN d.source_id
            -- What is in a document has its source, or none.
            WHEN EXCLUDED.container_id IS NOT NULL THEN EXCLUDED.source_id
            ELSE coalesce(EXCLUDED.source_id, d.source_id) END,
        file_size = CASE WHEN EXCLUDED.status = 'pending' AND d.status = 'completed' AND d.chunk_count > 0
            THEN d.file_size ELSE EXCLUDED.file_size END,
        mime_type = CASE WHEN EXCLUDED.status = 'pending' AND d.status = 'completed' AND d.chunk_count > 0
            THEN d.mime_type ELSE EXCLUDED.mime_type END,
        -- Without metadata in the upload, the document keeps its own, unless it was deleted.
        attributes = CASE
            WHEN EXCLUDED.status = 'pending' AND d.status = 'completed' AND d.chunk_count > 0 THEN d.attributes
            WHEN d.status = 'deleted' THEN EXCLUDED.attributes
            ELSE coalesce((SELECT item.attributes FROM item), d.attributes)
        END,
        -- So are the URL, which may name the version, and the title, which is in the points.
        url = CASE
            WHEN EXCLUDED.status = 'pending' AND d.status = 'completed' AND d.chunk_count > 0 THEN d.url
            WHEN d.status = 'deleted' THEN EXCLUDED.url
            ELSE coalesce(EXCLUDED.url, d.url)
        END,
        title = CASE
            WHEN EXCLUDED.status = 'pending' AND d.status = 'completed' AND d.chunk_count > 0 THEN d.title
            WHEN d.status = 'deleted' THEN EXCLUDED.title
            ELSE coalesce(EXCLUDED.title, d.title)
        END,
        error_message = EXCLUDED.error_message,
        error_category = EXCLUDED.error_category,
        change_hint = CASE WHEN EXCLUDED.status IN ('pending', 'failed') THEN d.change_hint ELSE EXCLUDED.change_hint END,
        -- An empty document has no points: the new generation makes searches leave out the old ones.
        generation = CASE
            WHEN EXCLUDED.status IN ('pending', 'failed') AND d.status <> 'deleted' THEN d.generation
            ELSE EXCLUDED.generation
        END,
        chunk_count = CASE
            WHEN EXCLUDED.status IN ('pending', 'failed') AND d.status <> 'deleted' THEN d.chunk_count
            ELSE 0
        END
    -- A deleted document comes back when its source lists it again, unless it was deleted after this item was
    -- listed, or by a user: then only another upload brings it back.
    WHERE d.status <> 'deleted'
        OR d.deleted_at IS NULL
        OR EXISTS (
            SELECT FROM item
            WHERE d.deleted_at < item.created_at
                AND (
                    d.deletion_reason IS DISTINCT FROM 'user'
                    OR EXISTS (SELECT FROM collection_sources s WHERE s.id = $4 AND s.source_type IN ('upload', 'push'))
                )
        )
    RETURNING d.id
),
artifact AS (
    INSERT INTO document_artifacts (
        document_id, collection_id, generation, mime_type, object_key, content_hash, size_bytes, is_copy
    )
    SELECT
        document.id, $3, item.generation, coalesce($8, 'application/octet-stream'),
        -- Same as domain::ArtifactKey; a test compares them.
        format('raw/%s/%s/%s', $3::uuid, document.id, item.generation),
        $6, $7,
        EXISTS (SELECT FROM document_artifacts held WHERE held.document_id = $2 AND held.content_hash = $6)
    FROM document CROSS JOIN item
    WHERE $5::text = 'staged'
    -- The item was staged again by a redelivery, and the bytes may have changed.
    ON CONFLICT (document_id, artifact_kind, generation) DO UPDATE
    SET mime_type = EXCLUDED.mime_type,
        content_hash = EXCLUDED.content_hash,
        size_bytes = EXCLUDED.size_bytes,
        updated_at = now()
)
SELECT id FROM document
