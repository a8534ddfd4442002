-- Pushes: documents that clients name by URIs of their own and send one by one. A push is an announced upload; what it says
-- of its document is null in every other upload, whose document is named by the file.
ALTER TABLE uploads
    -- The document's URI; without one, it is 'upload://' and the name.
    ADD COLUMN uri TEXT,
    -- The name of the push source that the document belongs to, together with a URI.
    ADD COLUMN push_source TEXT,
    -- As on items and documents.
    ADD COLUMN title TEXT,
    ADD COLUMN url TEXT;
CREATE INDEX idx_uploads_collection_uri ON uploads (collection_id, uri) WHERE uri IS NOT NULL;

-- With the URI of the document, which several announcements may share.
CREATE OR REPLACE VIEW open_uploads AS
SELECT u.id, u.collection_id, u.user_id, u.name, u.size_bytes, coalesce(u.uri, 'upload://' || u.name) AS uri
FROM uploads u
JOIN collections c ON c.id = u.collection_id
JOIN users announcer ON announcer.id = u.user_id
WHERE u.status = 'expected'
    AND u.expires_at > now()
    AND c.deleted_at IS NULL
    AND announcer.is_active
    AND (
        u.api_key_id IS NULL
        OR EXISTS (
            SELECT FROM api_keys k
            WHERE k.id = u.api_key_id AND k.is_active AND (k.expires_at IS NULL OR k.expires_at > now())
        )
    )
    AND (
        c.owner_id = u.user_id
        OR EXISTS (
            SELECT FROM collection_permissions p
            WHERE p.collection_id = c.id
                AND (p.user_id = u.user_id OR p.api_key_id = u.api_key_id)
                AND p.permission <> 'read'
        )
    );

-- Push runs: between its beginning and its end, a client names every document that its source has; what it has not named is
-- gone then.
CREATE TYPE push_run_status AS ENUM ('open', 'ended', 'replaced', 'expired');

CREATE TABLE push_runs (
    id UUID PRIMARY KEY,
    collection_id UUID NOT NULL REFERENCES collections (id) ON DELETE CASCADE,
    source_id BIGINT NOT NULL REFERENCES collection_sources (id) ON DELETE CASCADE,
    user_id BIGINT NOT NULL REFERENCES users (id),
    status push_run_status NOT NULL DEFAULT 'open',
    started_at TIMESTAMPTZ NOT NULL DEFAULT now(),
    ended_at TIMESTAMPTZ,
    -- At its end: the documents that were named, and of those that were not, how many were removed or kept as stale.
    named BIGINT,
    removed BIGINT,
    stale BIGINT,
    -- The operation that removes them. No foreign key: operations are deleted earlier.
    operation_id UUID
);
CREATE UNIQUE INDEX uq_push_runs_one_open ON push_runs (source_id) WHERE status = 'open';
CREATE INDEX idx_push_runs_collection_id ON push_runs (collection_id);
CREATE INDEX idx_push_runs_ended_at ON push_runs (ended_at) WHERE status <> 'open';

-- The documents that an open run has named so far.
CREATE TABLE push_run_documents (
    run_id UUID NOT NULL REFERENCES push_runs (id) ON DELETE CASCADE,
    uri TEXT NOT NULL,
    PRIMARY KEY (run_id, uri)
);
