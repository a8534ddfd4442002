-- $1 operation, whose listing is complete.
INSERT INTO operation_items (operation_id, uri, location, file_name, mime_type, document_id, is_removal)
SELECT o.id, d.uri, coalesce(d.source_metadata ->> 'location', d.file_path), d.file_name, d.mime_type, d.id, TRUE
FROM (
    -- Held until this commits, so that the listing cannot end concurrently.
    SELECT id, source_id FROM operations
    WHERE uuid = $1 AND status = 'processing' AND scan_finished_at IS NULL AND cancel_requested_at IS NULL
    FOR SHARE
) AS o
JOIN documents d ON d.source_id = o.source_id AND d.status <> 'deleted' AND d.uri IS NOT NULL
WHERE NOT EXISTS (
    SELECT FROM operation_items i WHERE i.operation_id = o.id AND i.uri = d.uri
)
ON CONFLICT (operation_id, uri) DO NOTHING
