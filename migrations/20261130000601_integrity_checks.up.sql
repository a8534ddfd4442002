-- When sweep last checked a sample of a collection, and what it found.
CREATE TABLE integrity_checks (
    collection_id UUID PRIMARY KEY REFERENCES collections (id) ON DELETE CASCADE,
    checked_at TIMESTAMPTZ NOT NULL DEFAULT now(),
    documents BIGINT NOT NULL,
    mismatches BIGINT NOT NULL
);
-- Checks go through the documents of a collection by id.
CREATE INDEX idx_documents_collection_id ON documents (collection_id, id);
