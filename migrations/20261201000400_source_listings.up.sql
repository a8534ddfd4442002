-- What a source's listings remember.

-- Where the next listing starts, for sources that can tell what changed since. What a listing leaves is kept apart until
-- everything that it listed is indexed.
CREATE TABLE source_checkpoints (
    source_id BIGINT PRIMARY KEY REFERENCES collection_sources (id) ON DELETE CASCADE,
    checkpoint TEXT,
    -- The operation whose listing is complete, and what that left.
    operation_id BIGINT,
    next_checkpoint TEXT
);

-- The pages of sources that are crawled: which the current crawl has found and visited, and what a visit left, so that a
-- crawl goes on where it was, and a page that has not changed is not transferred for its links.
CREATE TABLE source_pages (
    id BIGINT GENERATED ALWAYS AS IDENTITY,
    source_id BIGINT NOT NULL REFERENCES collection_sources (id) ON DELETE CASCADE,
    url TEXT NOT NULL,
    -- Links from where the crawl starts.
    depth INTEGER NOT NULL,
    -- The operations whose crawls found and visited the page last.
    found_by BIGINT NOT NULL,
    visited_by BIGINT,
    etag TEXT,
    last_modified TEXT,
    change_hint TEXT,
    links TEXT[] NOT NULL DEFAULT '{}',
    PRIMARY KEY (source_id, url)
);
CREATE INDEX idx_source_pages_due ON source_pages (source_id, found_by, depth, id)
    WHERE visited_by IS DISTINCT FROM found_by;
CREATE INDEX idx_source_pages_found ON source_pages (source_id, found_by);

-- With other settings, a source lists other documents: its next listing starts at the beginning, and a crawl transfers every
-- page. The pages themselves stay, because a crawl may be under way.
CREATE FUNCTION forget_source_listings() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    DELETE FROM source_checkpoints WHERE source_id = NEW.id;
    UPDATE source_pages SET etag = NULL, last_modified = NULL, change_hint = NULL, links = '{}' WHERE source_id = NEW.id;
    RETURN NULL;
END
$$;
CREATE TRIGGER collection_sources_changed AFTER UPDATE OF source_config ON collection_sources
    FOR EACH ROW WHEN (OLD.source_config IS DISTINCT FROM NEW.source_config) EXECUTE FUNCTION forget_source_listings();

-- Whether the bytes were stored when the document was listed.
ALTER TABLE operation_items ADD COLUMN is_fetched BOOLEAN NOT NULL DEFAULT FALSE;
