-- How full each caller's bucket for a route is: shared by all instances of a function.
-- Not logged: a crash of the database forgets counts, and spares every request a write to disk.
CREATE UNLOGGED TABLE request_throttles (
    -- Caller, method and route.
    key TEXT PRIMARY KEY,
    -- When nothing of it counts any more.
    drained_at TIMESTAMPTZ NOT NULL
);
CREATE INDEX idx_request_throttles_drained_at ON request_throttles (drained_at);

-- Why an answer cannot be repeated: it held a secret, which is shown once.
ALTER TABLE idempotency_keys ADD COLUMN unrepeatable_reason TEXT;
