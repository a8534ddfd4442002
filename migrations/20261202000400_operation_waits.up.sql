-- What an operation waits for whose last message failed and will be delivered again. Not columns of operations, because the
-- version that is still running reads that table by position.
CREATE TABLE operation_waits (
    operation_id BIGINT PRIMARY KEY REFERENCES operations (id) ON DELETE CASCADE,
    -- What was unavailable, or 'retry'.
    waiting_for TEXT NOT NULL,
    -- 'unavailable', 'throttled' or 'internal'.
    error TEXT NOT NULL,
    failed_at TIMESTAMPTZ NOT NULL DEFAULT now(),
    next_attempt_at TIMESTAMPTZ NOT NULL
);
