-- How much a user may own. Rows are made when a limit is set: without one the defaults hold.
CREATE TABLE user_resource_limits (
    user_id BIGINT PRIMARY KEY REFERENCES users (id) ON DELETE CASCADE,
    max_collections INTEGER NOT NULL DEFAULT 100,
    -- All collections of the user together.
    max_storage_bytes BIGINT NOT NULL DEFAULT 53687091200,
    created_at TIMESTAMPTZ NOT NULL DEFAULT now(),
    updated_at TIMESTAMPTZ NOT NULL DEFAULT now(),
    CONSTRAINT ck_user_resource_limits CHECK (max_collections >= 0 AND max_storage_bytes >= 0)
);

-- What the limits count, as of now: counted anew at the end of each operation, and counted up by each
-- document that is admitted meanwhile, so that admitting one never counts them all.
ALTER TABLE collection_resource_limits
    ADD COLUMN used_documents BIGINT NOT NULL DEFAULT 0,
    ADD COLUMN used_bytes BIGINT NOT NULL DEFAULT 0,
    ADD CONSTRAINT ck_collection_resource_limits CHECK (
        max_documents >= 0 AND max_storage_bytes >= 0 AND max_operations_per_hour >= 0 AND max_sources >= 0
    );

-- The operations of the last hour.
CREATE INDEX idx_operations_collection_created_at ON operations (collection_id, created_at);
