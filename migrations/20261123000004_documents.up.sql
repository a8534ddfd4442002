-- Documents and the derived files that belong to them.
CREATE TYPE document_status AS ENUM ('pending', 'processing', 'completed', 'failed', 'skipped', 'cancelled', 'deleted');
CREATE TYPE error_category AS ENUM ('transient', 'permanent', 'unknown');

CREATE TABLE documents (
    id UUID PRIMARY KEY,
    collection_id UUID NOT NULL REFERENCES collections (id) ON DELETE CASCADE,
    source_id BIGINT REFERENCES collection_sources (id),
    uri TEXT,
    file_path TEXT NOT NULL,
    file_name TEXT NOT NULL,
    file_size BIGINT NOT NULL,
    mime_type TEXT,
    -- SHA-256 of the bytes in hex. NULL until they were read once.
    content_hash TEXT,
    status document_status NOT NULL DEFAULT 'pending',
    error_message TEXT,
    error_category error_category,
    retry_count INTEGER NOT NULL DEFAULT 0,
    last_retry_at TIMESTAMPTZ,
    chunk_count INTEGER NOT NULL DEFAULT 0,
    -- The generation whose points are searchable; 0 while there are none.
    generation INTEGER NOT NULL DEFAULT 0,
    -- The highest generation ever handed out: never handed out again.
    last_generation INTEGER NOT NULL DEFAULT 0,
    -- What the source said of this version (ETag, mtime+size, blob id).
    change_hint TEXT,
    -- The document with the same bytes that is searchable in this one's place.
    duplicate_of UUID REFERENCES documents (id) ON DELETE SET NULL,
    last_seen_at TIMESTAMPTZ,
    is_stale BOOLEAN NOT NULL DEFAULT FALSE,
    created_at TIMESTAMPTZ NOT NULL DEFAULT now(),
    updated_at TIMESTAMPTZ NOT NULL DEFAULT now(),
    deleted_at TIMESTAMPTZ,
    meta JSONB NOT NULL DEFAULT '{}',
    source_metadata JSONB NOT NULL DEFAULT '{}'
);
-- Only among what is alive: a removed file can be added again, and empty files are not duplicates.
CREATE UNIQUE INDEX uq_documents_collection_content_hash ON documents (collection_id, content_hash)
    WHERE status NOT IN ('deleted', 'skipped') AND duplicate_of IS NULL;
CREATE UNIQUE INDEX uq_documents_collection_uri ON documents (collection_id, uri) WHERE status <> 'deleted';
CREATE INDEX idx_documents_collection_page ON documents (collection_id, created_at, id);
CREATE INDEX idx_documents_collection_status ON documents (collection_id, status);
CREATE INDEX idx_documents_source_id ON documents (source_id);
CREATE INDEX idx_documents_content_hash ON documents (content_hash);
CREATE INDEX idx_documents_duplicate_of ON documents (duplicate_of) WHERE duplicate_of IS NOT NULL;

CREATE TABLE document_artifacts (
    id BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    document_id UUID NOT NULL REFERENCES documents (id) ON DELETE CASCADE,
    collection_id UUID NOT NULL REFERENCES collections (id) ON DELETE CASCADE,
    artifact_kind TEXT NOT NULL DEFAULT 'primary' CHECK (artifact_kind IN ('primary', 'preview', 'thumbnail')),
    mime_type TEXT NOT NULL,
    charset TEXT,
    content_text TEXT,
    content_bytes BYTEA,
    -- Large content stays in the staging bucket.
    object_key TEXT,
    content_hash TEXT NOT NULL,
    size_bytes BIGINT NOT NULL,
    is_truncated BOOLEAN NOT NULL DEFAULT FALSE,
    created_at TIMESTAMPTZ NOT NULL DEFAULT now(),
    updated_at TIMESTAMPTZ NOT NULL DEFAULT now(),
    CONSTRAINT uq_document_artifact_kind UNIQUE (document_id, artifact_kind),
    CONSTRAINT ck_content_present CHECK (num_nonnulls(content_text, content_bytes, object_key) >= 1)
);
CREATE INDEX ix_document_artifacts_collection ON document_artifacts (collection_id);
