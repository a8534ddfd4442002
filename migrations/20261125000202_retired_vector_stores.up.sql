-- Qdrant collections that answer no more: what a reindex replaced, kept for a while so that it can be
-- brought back, and what a reindex that came to nothing left over.
CREATE TABLE retired_vector_stores (
    name TEXT PRIMARY KEY,
    -- No foreign keys: what is left of a collection that is gone must be dropped, too.
    collection_id UUID NOT NULL,
    -- The reindex whose items say which documents it holds, and the index that took its place; NULL
    -- where there is no way back.
    operation_id BIGINT,
    replaced_by TEXT,
    -- Model, quantization and chunk settings that it was made with.
    settings JSONB NOT NULL DEFAULT '{}',
    retired_at TIMESTAMPTZ NOT NULL DEFAULT now(),
    drop_after TIMESTAMPTZ NOT NULL,
    -- From here on there is no way back.
    dropped_at TIMESTAMPTZ,
    -- How often it was dropped: twice, since a straggler may have made it again after the first time.
    drops INTEGER NOT NULL DEFAULT 0
);
CREATE INDEX idx_retired_vector_stores_collection_id ON retired_vector_stores (collection_id);
CREATE INDEX idx_retired_vector_stores_drop_after ON retired_vector_stores (drop_after) WHERE dropped_at IS NULL;
