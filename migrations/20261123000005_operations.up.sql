-- Operations, their work lists, and what they measured.
CREATE TYPE operation_type AS ENUM ('index', 'append', 'reindex', 'remove_source', 'delete', 'retry_documents');
CREATE TYPE operation_status AS ENUM ('pending', 'processing', 'completed', 'failed', 'cancelled');
CREATE TYPE item_state AS ENUM (
    'listed', 'staged', 'chunked',
    'completed', 'unchanged', 'duplicate', 'skipped', 'failed', 'cancelled'
);

CREATE TABLE operations (
    -- The order in which operations of one collection run.
    id BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    uuid UUID NOT NULL,
    collection_id UUID NOT NULL REFERENCES collections (id) ON DELETE CASCADE,
    user_id BIGINT NOT NULL REFERENCES users (id),
    source_id BIGINT REFERENCES collection_sources (id) ON DELETE SET NULL,
    type operation_type NOT NULL,
    status operation_status NOT NULL DEFAULT 'pending',
    config JSONB NOT NULL DEFAULT '{}',
    error_message TEXT,
    error_category error_category,
    created_at TIMESTAMPTZ NOT NULL DEFAULT now(),
    updated_at TIMESTAMPTZ NOT NULL DEFAULT now(),
    started_at TIMESTAMPTZ,
    completed_at TIMESTAMPTZ,
    cancel_requested_at TIMESTAMPTZ,
    -- When its message was last sent; sweep sends it again when that seems lost.
    dispatched_at TIMESTAMPTZ,
    -- Where the listing of its source goes on.
    scan_cursor TEXT,
    scan_finished_at TIMESTAMPTZ,
    meta JSONB NOT NULL DEFAULT '{}',
    CONSTRAINT uq_operations_uuid UNIQUE (uuid)
);
-- The rule "one running operation per collection" is here and nowhere else.
CREATE UNIQUE INDEX uq_operations_one_running ON operations (collection_id) WHERE status = 'processing';
CREATE INDEX idx_operations_open ON operations (collection_id, id) WHERE status IN ('pending', 'processing');
CREATE INDEX idx_operations_collection_id ON operations (collection_id, id);
CREATE INDEX idx_operations_user_id ON operations (user_id, id);
CREATE INDEX idx_operations_source_id ON operations (source_id);

CREATE TABLE operation_items (
    id BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    operation_id BIGINT NOT NULL REFERENCES operations (id) ON DELETE CASCADE,
    -- The document's logical name, and where its bytes are read.
    uri TEXT NOT NULL,
    location TEXT NOT NULL,
    file_name TEXT NOT NULL,
    size_bytes BIGINT NOT NULL DEFAULT 0,
    mime_type TEXT,
    change_hint TEXT,
    state item_state NOT NULL DEFAULT 'listed',
    document_id UUID REFERENCES documents (id) ON DELETE CASCADE,
    -- The generation this item writes; becomes the document's when all its points are there.
    generation INTEGER,
    content_hash TEXT,
    chunk_count INTEGER,
    -- Chunk batches: how many there are, and which have their points written.
    batch_count INTEGER,
    batches_done INTEGER[] NOT NULL DEFAULT '{}',
    attempts INTEGER NOT NULL DEFAULT 0,
    error_message TEXT,
    error_category error_category,
    -- When a message for it was last sent; sweep sends it again when that seems lost.
    dispatched_at TIMESTAMPTZ,
    created_at TIMESTAMPTZ NOT NULL DEFAULT now(),
    updated_at TIMESTAMPTZ NOT NULL DEFAULT now(),
    CONSTRAINT uq_operation_items_uri UNIQUE (operation_id, uri)
);
CREATE INDEX idx_operation_items_open ON operation_items (operation_id, id)
    WHERE state IN ('listed', 'staged', 'chunked');
CREATE INDEX idx_operation_items_document_id ON operation_items (document_id);

CREATE TABLE operation_metrics (
    id BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    operation_id BIGINT NOT NULL REFERENCES operations (id) ON DELETE CASCADE,
    name TEXT NOT NULL,
    value DOUBLE PRECISION NOT NULL,
    unit TEXT NOT NULL,
    recorded_at TIMESTAMPTZ NOT NULL DEFAULT now()
);
CREATE INDEX idx_operation_metrics_operation_id ON operation_metrics (operation_id);

CREATE TABLE collection_sync_runs (
    id BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    collection_id UUID NOT NULL REFERENCES collections (id) ON DELETE CASCADE,
    triggered_by TEXT NOT NULL CHECK (triggered_by IN ('scheduler', 'manual')),
    status TEXT NOT NULL DEFAULT 'running' CHECK (status IN ('running', 'success', 'partial', 'failed')),
    started_at TIMESTAMPTZ NOT NULL DEFAULT now(),
    completed_at TIMESTAMPTZ,
    expected_sources INTEGER NOT NULL DEFAULT 0,
    completed_sources INTEGER NOT NULL DEFAULT 0,
    failed_sources INTEGER NOT NULL DEFAULT 0,
    partial_sources INTEGER NOT NULL DEFAULT 0,
    error_summary TEXT,
    meta JSONB NOT NULL DEFAULT '{}'
);
CREATE INDEX idx_collection_sync_runs_collection_id ON collection_sync_runs (collection_id, id);
