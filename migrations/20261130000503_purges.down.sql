DROP INDEX idx_uploads_collection_name;
DROP INDEX idx_operation_items_unregistered;
DROP INDEX idx_collection_audit_log_document_id;
DROP FUNCTION purged_uri(UUID, TEXT);
DROP INDEX idx_documents_retained;
ALTER TABLE documents
    DROP COLUMN purged_at,
    DROP COLUMN purge_api_key_id,
    DROP COLUMN purge_user_id,
    DROP COLUMN purge_requested_at;
