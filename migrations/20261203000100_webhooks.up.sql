-- Where accounts are told of events, and the outbox of what they are told. A delivery is inserted in the transaction of the
-- event that it tells of, and is sent afterwards.
CREATE TYPE webhook_delivery_state AS ENUM ('pending', 'delivered', 'failed', 'cancelled');

CREATE TABLE webhooks (
    id UUID PRIMARY KEY,
    user_id BIGINT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    -- NULL: all collections that the user owns.
    collection_id UUID REFERENCES collections (id) ON DELETE CASCADE,
    url TEXT NOT NULL,
    description TEXT NOT NULL DEFAULT '',
    events TEXT[] NOT NULL,
    enabled BOOLEAN NOT NULL DEFAULT TRUE,
    -- Why it was disabled, unless a user did so.
    disabled_reason TEXT,
    -- Failed attempts since the last successful one, and when the first of them was made.
    failures INTEGER NOT NULL DEFAULT 0,
    failing_since TIMESTAMPTZ,
    last_delivered_at TIMESTAMPTZ,
    created_at TIMESTAMPTZ NOT NULL DEFAULT now(),
    updated_at TIMESTAMPTZ NOT NULL DEFAULT now()
);
CREATE INDEX idx_webhooks_user_id ON webhooks (user_id);
CREATE INDEX idx_webhooks_collection_id ON webhooks (collection_id) WHERE collection_id IS NOT NULL;

-- Encrypted like the secrets of sources. A rotated secret signs beside the new one until it expires.
CREATE TABLE webhook_secrets (
    id BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    webhook_id UUID NOT NULL REFERENCES webhooks (id) ON DELETE CASCADE,
    ciphertext BYTEA NOT NULL,
    key_id TEXT NOT NULL,
    created_at TIMESTAMPTZ NOT NULL DEFAULT now(),
    -- NULL: the current secret.
    expires_at TIMESTAMPTZ
);
CREATE INDEX idx_webhook_secrets_webhook_id ON webhook_secrets (webhook_id);
CREATE UNIQUE INDEX uq_webhook_secrets_current ON webhook_secrets (webhook_id) WHERE expires_at IS NULL;

CREATE TABLE webhook_deliveries (
    -- The `webhook-id` of all its attempts.
    id UUID PRIMARY KEY,
    webhook_id UUID NOT NULL REFERENCES webhooks (id) ON DELETE CASCADE,
    collection_id UUID REFERENCES collections (id) ON DELETE CASCADE,
    -- The document that the event is about; it may be gone.
    document_id UUID,
    event_type TEXT NOT NULL,
    payload JSONB NOT NULL,
    state webhook_delivery_state NOT NULL DEFAULT 'pending',
    -- Attempts that have begun. A message is about one of them, so that none is made twice.
    attempts INTEGER NOT NULL DEFAULT 0,
    -- When a message is sent to the queue, again if need be.
    next_attempt_at TIMESTAMPTZ NOT NULL DEFAULT now(),
    last_attempt_at TIMESTAMPTZ,
    last_status INTEGER,
    last_error TEXT,
    delivered_at TIMESTAMPTZ,
    created_at TIMESTAMPTZ NOT NULL DEFAULT now()
);
CREATE INDEX idx_webhook_deliveries_due ON webhook_deliveries (next_attempt_at) WHERE state = 'pending';
CREATE INDEX idx_webhook_deliveries_webhook_id ON webhook_deliveries (webhook_id, created_at DESC, id);
CREATE INDEX idx_webhook_deliveries_collection_id ON webhook_deliveries (collection_id) WHERE collection_id IS NOT NULL;
CREATE INDEX idx_webhook_deliveries_document_id ON webhook_deliveries (document_id) WHERE document_id IS NOT NULL;
CREATE INDEX idx_webhook_deliveries_created_at ON webhook_deliveries (created_at);
