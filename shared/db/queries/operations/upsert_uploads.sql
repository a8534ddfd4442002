-- $1 operation; arrays: $2 URIs, $3 locations, $4 file names, $5 sizes, $6 media types, $7 change hints, $8 metadata,
-- $9 URLs, $10 titles, $11 paths.
WITH entry AS (
    SELECT *
    FROM unnest($2::text[], $3::text[], $4::text[], $5::bigint[], $6::text[], $7::text[], $8::jsonb[], $9::text[], $10::text[],
        $11::text[])
        AS entry (uri, location, file_name, size_bytes, mime_type, change_hint, attributes, url, title, file_path)
),
replaced AS (
    SELECT
        i.uri,
        i.location,
        i.change_hint,
        -- What was said of the document ends with it.
        CASE WHEN deleted.id IS NULL THEN i.attributes END AS attributes,
        CASE WHEN deleted.id IS NULL THEN i.url END AS url,
        CASE WHEN deleted.id IS NULL THEN i.title END AS title
    FROM operations o
    JOIN operation_items i ON i.operation_id = o.id AND i.state = 'listed'
    JOIN entry ON entry.uri = i.uri
    LEFT JOIN documents deleted
        ON deleted.collection_id = o.collection_id AND deleted.uri = i.uri AND deleted.deleted_at >= i.created_at
    WHERE o.uuid = $1
),
listed AS (
    INSERT INTO operation_items (
        operation_id, uri, location, file_name, size_bytes, mime_type, change_hint, attributes, url, title,
        file_path, created_at
    )
    SELECT
        o.id, entry.uri, entry.location, entry.file_name, entry.size_bytes, entry.mime_type, entry.change_hint,
        coalesce(entry.attributes, replaced.attributes),
        coalesce(entry.url, replaced.url),
        coalesce(entry.title, replaced.title),
        entry.file_path,
        -- After what was committed before the lock of the collection was taken.
        clock_timestamp()
    FROM operations o
    CROSS JOIN entry
    LEFT JOIN replaced ON replaced.uri = entry.uri
    WHERE o.uuid = $1
    ON CONFLICT (operation_id, uri) DO UPDATE
    SET location = EXCLUDED.location,
        file_name = EXCLUDED.file_name,
        size_bytes = EXCLUDED.size_bytes,
        mime_type = EXCLUDED.mime_type,
        change_hint = EXCLUDED.change_hint,
        attributes = EXCLUDED.attributes,
        url = EXCLUDED.url,
        title = EXCLUDED.title,
        file_path = EXCLUDED.file_path,
        created_at = EXCLUDED.created_at,
        updated_at = now()
    WHERE operation_items.state = 'listed'
)
SELECT replaced.location, replaced.change_hint
FROM replaced JOIN entry ON entry.uri = replaced.uri AND entry.location <> replaced.location
