-- Which API key made a change, if it was one. No foreign key: the row outlives the key.
ALTER TABLE collection_audit_log ADD COLUMN api_key_id UUID;
-- Names outlive accounts.
ALTER TABLE collection_audit_log ADD COLUMN username TEXT;
-- Newest first, whoever and whatever it was about.
CREATE INDEX idx_collection_audit_log_action ON collection_audit_log (action, id);
