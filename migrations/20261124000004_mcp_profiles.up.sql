-- What an AI assistant may search, as a tool with settings of its own.
CREATE TABLE mcp_profiles (
    id UUID PRIMARY KEY,
    user_id BIGINT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    -- Part of the tool's name.
    name TEXT NOT NULL CHECK (name ~ '^[a-z][a-z0-9_-]{0,63}$'),
    description TEXT NOT NULL DEFAULT '',
    enabled BOOLEAN NOT NULL DEFAULT TRUE,
    search_type TEXT NOT NULL DEFAULT 'semantic',
    search_mode TEXT NOT NULL DEFAULT 'dense',
    result_count INTEGER NOT NULL DEFAULT 10 CHECK (result_count BETWEEN 1 AND 100),
    use_reranker BOOLEAN NOT NULL DEFAULT TRUE,
    score_threshold DOUBLE PRECISION,
    hybrid_alpha DOUBLE PRECISION,
    rrf_k INTEGER,
    use_hyde BOOLEAN NOT NULL DEFAULT FALSE,
    created_at TIMESTAMPTZ NOT NULL DEFAULT now(),
    updated_at TIMESTAMPTZ NOT NULL DEFAULT now(),
    CONSTRAINT uq_mcp_profiles_user_name UNIQUE (user_id, name)
);

CREATE TABLE mcp_profile_collections (
    profile_id UUID NOT NULL REFERENCES mcp_profiles (id) ON DELETE CASCADE,
    collection_id UUID NOT NULL REFERENCES collections (id) ON DELETE CASCADE,
    -- The order in which they were named, from 0.
    position INTEGER NOT NULL,
    PRIMARY KEY (profile_id, collection_id),
    CONSTRAINT uq_mcp_profile_collections_position UNIQUE (profile_id, position)
);
CREATE INDEX idx_mcp_profile_collections_collection_id ON mcp_profile_collections (collection_id);
