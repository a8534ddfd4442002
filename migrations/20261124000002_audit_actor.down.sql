DROP INDEX idx_collection_audit_log_action;
ALTER TABLE collection_audit_log DROP COLUMN username;
ALTER TABLE collection_audit_log DROP COLUMN api_key_id;
