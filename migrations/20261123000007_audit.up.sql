-- Who did what, when and from where. It outlives what it tells of.
CREATE TABLE collection_audit_log (
    id BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    collection_id UUID REFERENCES collections (id) ON DELETE SET NULL,
    collection_name TEXT,
    operation_id BIGINT REFERENCES operations (id) ON DELETE SET NULL,
    user_id BIGINT REFERENCES users (id) ON DELETE SET NULL,
    action TEXT NOT NULL,
    details JSONB NOT NULL DEFAULT '{}',
    ip_address TEXT,
    user_agent TEXT,
    request_id TEXT,
    created_at TIMESTAMPTZ NOT NULL DEFAULT now()
);
CREATE INDEX idx_collection_audit_log_collection_id ON collection_audit_log (collection_id, id);
CREATE INDEX idx_collection_audit_log_user_id ON collection_audit_log (user_id, id);
CREATE INDEX idx_collection_audit_log_operation_id ON collection_audit_log (operation_id);
