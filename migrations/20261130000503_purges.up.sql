-- Purging: everything of a deleted document is erased, its name included. What stays is a tombstone: the row, with
-- a hash in place of its URI, so that a source that still lists the document does not bring it back.
ALTER TABLE documents
    -- From here on the document cannot be restored.
    ADD COLUMN purge_requested_at TIMESTAMPTZ,
    -- Who requested it; NULL if the retention period has ended. No foreign keys: the audit entry outlives both.
    ADD COLUMN purge_user_id BIGINT,
    ADD COLUMN purge_api_key_id UUID,
    -- The row is a tombstone.
    ADD COLUMN purged_at TIMESTAMPTZ;

-- The retention period starts with the deletion.
UPDATE documents SET deleted_at = updated_at WHERE status = 'deleted' AND deleted_at IS NULL;
CREATE INDEX idx_documents_retained ON documents (deleted_at) WHERE status = 'deleted' AND purge_requested_at IS NULL;

-- The URI of the tombstone of the document that had this URI.
CREATE FUNCTION purged_uri(collection UUID, uri TEXT) RETURNS TEXT
LANGUAGE sql STABLE PARALLEL SAFE
RETURN 'purged:' || encode(sha256(convert_to(collection::text || ' ' || uri, 'UTF8')), 'hex');

-- What a purge looks up to remove names.
CREATE INDEX idx_collection_audit_log_document_id ON collection_audit_log ((details ->> 'document_id'))
    WHERE details ? 'document_id';
CREATE INDEX idx_operation_items_unregistered ON operation_items (uri) WHERE document_id IS NULL;
CREATE INDEX idx_uploads_collection_name ON uploads (collection_id, name);
