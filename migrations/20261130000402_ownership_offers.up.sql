-- Offers of owners to hand their collections over: a collection changes its owner when the recipient accepts. A
-- collection has at most one.
CREATE TABLE ownership_offers (
    id UUID PRIMARY KEY,
    collection_id UUID NOT NULL REFERENCES collections (id) ON DELETE CASCADE,
    from_user_id BIGINT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    to_user_id BIGINT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    created_at TIMESTAMPTZ NOT NULL DEFAULT now(),
    expires_at TIMESTAMPTZ NOT NULL,
    CONSTRAINT uq_ownership_offers_collection UNIQUE (collection_id),
    CONSTRAINT ck_ownership_offers_users CHECK (from_user_id <> to_user_id)
);
CREATE INDEX idx_ownership_offers_from_user_id ON ownership_offers (from_user_id);
CREATE INDEX idx_ownership_offers_to_user_id ON ownership_offers (to_user_id, created_at);
