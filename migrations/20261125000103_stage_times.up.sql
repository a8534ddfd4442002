-- When an item came through each stage: an operation's metrics say how long each took.
ALTER TABLE operation_items
    ADD COLUMN staged_at TIMESTAMPTZ,
    ADD COLUMN chunked_at TIMESTAMPTZ;
