-- How many items of an operation are under way at a time. Without a limit, a large operation fills the queues, and the
-- document of another user waits behind all of it.
--
-- A table of its own: only operations with a work list have a window, and its row is what concurrent functions lock.
CREATE TABLE dispatch_windows (
    operation_id BIGINT PRIMARY KEY REFERENCES operations (id) ON DELETE CASCADE,
    -- Items that are sent and have not ended, at most.
    max_items INTEGER NOT NULL CHECK (max_items > 0),
    -- Items up to this one may be sent: those after it may turn out to be unchanged.
    ready_item_id BIGINT NOT NULL DEFAULT 0
);

-- What is sent next.
CREATE INDEX idx_operation_items_waiting ON operation_items (operation_id, id)
    WHERE state = 'listed' AND dispatched_at IS NULL;
-- What is under way.
CREATE INDEX idx_operation_items_in_flight ON operation_items (operation_id)
    WHERE state IN ('listed', 'staged', 'chunked') AND dispatched_at IS NOT NULL;
-- How far the messages of an operation got: whether that of an older item was overtaken.
CREATE INDEX idx_operation_items_chunked_at ON operation_items (operation_id, chunked_at)
    WHERE chunked_at IS NOT NULL;
