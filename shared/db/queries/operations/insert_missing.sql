-- $1 operation, $2 URIs of documents that its source says are gone, or NULL if its listing is complete: then all that it
-- did not include.
--
-- No source lists what is in its documents: that is missing with the document that contains it.
WITH RECURSIVE o AS (
    -- Held until this commits, so that the listing cannot end concurrently.
    SELECT id, source_id FROM operations
    WHERE uuid = $1 AND status = 'processing' AND scan_finished_at IS NULL AND cancel_requested_at IS NULL
    FOR SHARE
),
missing AS (
    SELECT d.id
    FROM o JOIN documents d ON d.source_id = o.source_id AND d.status <> 'deleted' AND d.uri IS NOT NULL
    WHERE d.container_id IS NULL
        AND ($2::text[] IS NULL OR d.uri = ANY ($2))
        AND NOT EXISTS (SELECT FROM operation_items i WHERE i.operation_id = o.id AND i.uri = d.uri)
    UNION
    SELECT d.id FROM missing JOIN documents d ON d.container_id = missing.id
    WHERE d.status <> 'deleted' AND d.uri IS NOT NULL
)
INSERT INTO operation_items (operation_id, uri, location, file_name, mime_type, document_id, is_removal)
SELECT o.id, d.uri, coalesce(d.source_metadata ->> 'location', d.file_path), d.file_name, d.mime_type, d.id, TRUE
FROM o CROSS JOIN missing JOIN documents d ON d.id = missing.id
ON CONFLICT (operation_id, uri) DO NOTHING
