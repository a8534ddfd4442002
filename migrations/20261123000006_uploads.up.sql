-- Uploads that were announced: the only way to notice one that never arrives.
CREATE TYPE upload_status AS ENUM ('expected', 'received', 'expired');

CREATE TABLE uploads (
    id UUID PRIMARY KEY,
    collection_id UUID NOT NULL REFERENCES collections (id) ON DELETE CASCADE,
    user_id BIGINT NOT NULL REFERENCES users (id),
    name TEXT NOT NULL,
    object_key TEXT NOT NULL,
    size_bytes BIGINT NOT NULL,
    content_type TEXT NOT NULL,
    sha256 TEXT,
    status upload_status NOT NULL DEFAULT 'expected',
    operation_id BIGINT REFERENCES operations (id) ON DELETE SET NULL,
    expires_at TIMESTAMPTZ NOT NULL,
    received_at TIMESTAMPTZ,
    created_at TIMESTAMPTZ NOT NULL DEFAULT now()
);
CREATE INDEX idx_uploads_collection_id ON uploads (collection_id, created_at, id);
CREATE INDEX idx_uploads_expected_key ON uploads (object_key) WHERE status = 'expected';
CREATE INDEX idx_uploads_expected_expiry ON uploads (expires_at) WHERE status = 'expected';
CREATE INDEX idx_uploads_operation_id ON uploads (operation_id);
