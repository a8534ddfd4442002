-- The latest version of each uploaded document that arrived, announced or dropped into the bucket: an event about
-- an earlier one is stale. The row outlives the document, so that nothing that was deleted comes back.
CREATE TABLE upload_arrivals (
    collection_id UUID NOT NULL REFERENCES collections (id) ON DELETE CASCADE,
    uri TEXT NOT NULL,
    object_key TEXT NOT NULL,
    etag TEXT NOT NULL,
    -- Orders the events of one key, see the S3 documentation of event notifications.
    sequencer TEXT,
    arrived_at TIMESTAMPTZ NOT NULL,
    PRIMARY KEY (collection_id, uri)
);
