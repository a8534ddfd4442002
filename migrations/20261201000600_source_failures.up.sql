-- Sources that could not be read the last times: the schedule waits longer after each failure.
CREATE TABLE source_failures (
    source_id BIGINT PRIMARY KEY REFERENCES collection_sources (id) ON DELETE CASCADE,
    -- Runs in a row that failed.
    failures INTEGER NOT NULL,
    -- No scheduled run reads the source before.
    not_before TIMESTAMPTZ NOT NULL
);
