-- Where a collection's documents come from, and the secrets that open the door there.
CREATE TABLE collection_sources (
    id BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    collection_id UUID NOT NULL REFERENCES collections (id) ON DELETE CASCADE,
    source_path TEXT NOT NULL,
    -- Text, not an enum: connectors come and go without a migration.
    source_type TEXT NOT NULL,
    source_config JSONB NOT NULL DEFAULT '{}',
    document_count BIGINT NOT NULL DEFAULT 0,
    size_bytes BIGINT NOT NULL DEFAULT 0,
    last_run_started_at TIMESTAMPTZ,
    last_run_completed_at TIMESTAMPTZ,
    last_run_status TEXT,
    last_error TEXT,
    last_indexed_at TIMESTAMPTZ,
    created_at TIMESTAMPTZ NOT NULL DEFAULT now(),
    updated_at TIMESTAMPTZ NOT NULL DEFAULT now(),
    meta JSONB NOT NULL DEFAULT '{}',
    CONSTRAINT uq_collection_source_path UNIQUE (collection_id, source_path)
);

CREATE TABLE connector_secrets (
    id BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    collection_source_id BIGINT NOT NULL REFERENCES collection_sources (id) ON DELETE CASCADE,
    secret_type TEXT NOT NULL CHECK (secret_type IN ('password', 'token', 'ssh_key', 'ssh_passphrase')),
    ciphertext BYTEA NOT NULL,
    key_id TEXT NOT NULL,
    created_at TIMESTAMPTZ NOT NULL DEFAULT now(),
    updated_at TIMESTAMPTZ NOT NULL DEFAULT now(),
    CONSTRAINT uq_source_secret_type UNIQUE (collection_source_id, secret_type)
);
