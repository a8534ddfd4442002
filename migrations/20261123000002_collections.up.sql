-- Collections, who may use them, and how much they may hold.
CREATE TYPE collection_status AS ENUM ('pending', 'ready', 'processing', 'error', 'degraded');
CREATE TYPE quantization AS ENUM ('float32', 'float16', 'int8');
CREATE TYPE permission AS ENUM ('read', 'write', 'admin');

CREATE TABLE collections (
    id UUID PRIMARY KEY,
    name TEXT NOT NULL,
    description TEXT,
    owner_id BIGINT NOT NULL REFERENCES users (id),
    vector_store_name TEXT NOT NULL,
    embedding_model TEXT NOT NULL,
    quantization quantization NOT NULL DEFAULT 'float16',
    chunking_strategy TEXT NOT NULL DEFAULT 'recursive',
    chunking_config JSONB NOT NULL DEFAULT '{}',
    chunk_size INTEGER NOT NULL,
    chunk_overlap INTEGER NOT NULL,
    is_public BOOLEAN NOT NULL DEFAULT FALSE,
    created_at TIMESTAMPTZ NOT NULL DEFAULT now(),
    updated_at TIMESTAMPTZ NOT NULL DEFAULT now(),
    -- The tombstone: set when deletion is asked for; the row goes when everything else has gone.
    deleted_at TIMESTAMPTZ,
    meta JSONB NOT NULL DEFAULT '{}',
    status collection_status NOT NULL DEFAULT 'pending',
    status_message TEXT,
    qdrant_collections JSONB NOT NULL DEFAULT '[]',
    qdrant_staging JSONB,
    document_count BIGINT NOT NULL DEFAULT 0,
    vector_count BIGINT NOT NULL DEFAULT 0,
    total_size_bytes BIGINT NOT NULL DEFAULT 0,
    sync_mode TEXT NOT NULL DEFAULT 'one_time' CHECK (sync_mode IN ('one_time', 'continuous')),
    sync_interval_minutes INTEGER CHECK (sync_interval_minutes >= 15),
    sync_paused_at TIMESTAMPTZ,
    sync_next_run_at TIMESTAMPTZ,
    CONSTRAINT uq_collections_vector_store_name UNIQUE (vector_store_name),
    CONSTRAINT ck_collections_chunks CHECK (chunk_size > 0 AND chunk_overlap >= 0 AND chunk_overlap < chunk_size)
);
-- Unique per owner, not across users: a name must not tell what strangers have.
CREATE UNIQUE INDEX uq_collections_owner_name ON collections (owner_id, lower(name)) WHERE deleted_at IS NULL;
CREATE INDEX idx_collections_owner_id ON collections (owner_id);
CREATE INDEX idx_collections_is_public ON collections (id) WHERE is_public AND deleted_at IS NULL;
CREATE INDEX idx_collections_status ON collections (status);
CREATE INDEX idx_collections_sync_next_run_at ON collections (sync_next_run_at)
    WHERE sync_mode = 'continuous' AND sync_paused_at IS NULL;

CREATE TABLE collection_permissions (
    id BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    collection_id UUID NOT NULL REFERENCES collections (id) ON DELETE CASCADE,
    user_id BIGINT REFERENCES users (id) ON DELETE CASCADE,
    api_key_id UUID REFERENCES api_keys (id) ON DELETE CASCADE,
    permission permission NOT NULL,
    created_at TIMESTAMPTZ NOT NULL DEFAULT now(),
    CONSTRAINT ck_collection_permissions_grantee CHECK ((user_id IS NULL) <> (api_key_id IS NULL)),
    CONSTRAINT uq_collection_permissions_user UNIQUE (collection_id, user_id),
    CONSTRAINT uq_collection_permissions_api_key UNIQUE (collection_id, api_key_id)
);
CREATE INDEX idx_collection_permissions_user_id ON collection_permissions (user_id);
CREATE INDEX idx_collection_permissions_api_key_id ON collection_permissions (api_key_id);

CREATE TABLE collection_resource_limits (
    collection_id UUID PRIMARY KEY REFERENCES collections (id) ON DELETE CASCADE,
    max_documents BIGINT NOT NULL DEFAULT 100000,
    max_storage_bytes BIGINT NOT NULL DEFAULT 53687091200,
    max_operations_per_hour INTEGER NOT NULL DEFAULT 1000,
    max_sources INTEGER NOT NULL DEFAULT 100,
    created_at TIMESTAMPTZ NOT NULL DEFAULT now(),
    updated_at TIMESTAMPTZ NOT NULL DEFAULT now()
);
