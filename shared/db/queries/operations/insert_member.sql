-- $1 item of the document that contains the file, $2 URI of the file, $3 its name, $4 its path, $5 media type or NULL.
--
-- Adds a file that the extraction of a staged document has found in it.
WITH container AS (
    -- Held until this commits, so that the item, and with it the operation, cannot end concurrently.
    SELECT i.operation_id, i.document_id, coalesce(i.outermost_id, i.document_id) AS outermost_id
    FROM operation_items i JOIN operations o ON o.id = i.operation_id
    WHERE i.id = $1 AND i.state = 'staged' AND NOT i.is_reindex
        AND o.status = 'processing' AND o.cancel_requested_at IS NULL
    FOR SHARE OF i
),
member AS (
    INSERT INTO operation_items (
        operation_id, uri, location, file_name, file_path, mime_type, container_id, outermost_id,
        -- The extraction stages it, whoever else fills the work list meanwhile.
        dispatched_at
    )
    SELECT operation_id, $2, $2, $3, $4, $5, document_id, outermost_id, now() FROM container
    -- An earlier attempt may have added it. Any other item with this URI is staged by scan.
    ON CONFLICT (operation_id, uri) DO UPDATE SET updated_at = now()
    WHERE operation_items.container_id = EXCLUDED.container_id AND NOT operation_items.is_removal
    RETURNING id
)
SELECT EXISTS (SELECT FROM container) AS "is_open!", (SELECT id FROM member) AS id
