-- Places on the server's side that sources may read: part of a bucket, or a directory, granted by a superuser to one
-- user or to everyone. Without a grant, nobody reads anything.
--
-- A source is read by the grants of the user who added it or changed its settings last; one that the previous version
-- added meanwhile, by those of the collection's owner.
CREATE TABLE source_grants (
    id UUID PRIMARY KEY,
    -- NULL for a directory.
    bucket TEXT,
    -- The prefix of keys, or the path of the directory.
    path TEXT NOT NULL,
    -- NULL for everyone.
    user_id BIGINT REFERENCES users (id) ON DELETE CASCADE,
    granted_by BIGINT REFERENCES users (id) ON DELETE SET NULL,
    created_at TIMESTAMPTZ NOT NULL DEFAULT now()
);
CREATE UNIQUE INDEX uq_source_grants ON source_grants (coalesce(bucket, ''), path, coalesce(user_id, 0));
CREATE INDEX idx_source_grants_user_id ON source_grants (user_id);
CREATE INDEX idx_source_grants_granted_by ON source_grants (granted_by);

-- A table of its own: the previous version selects all columns of collection_sources.
CREATE TABLE source_grantees (
    source_id BIGINT PRIMARY KEY REFERENCES collection_sources (id) ON DELETE CASCADE,
    user_id BIGINT NOT NULL REFERENCES users (id) ON DELETE CASCADE
);
CREATE INDEX idx_source_grantees_user_id ON source_grantees (user_id);

-- Existing sources keep working: what they read is granted to the owners of their collections.
INSERT INTO source_grants (id, bucket, path, user_id)
SELECT gen_random_uuid(), place.bucket, place.path, place.owner_id
FROM (
    SELECT s.source_config ->> 'bucket' AS bucket, coalesce(s.source_config ->> 'prefix', '') AS path, c.owner_id
    FROM collection_sources s JOIN collections c ON c.id = s.collection_id
    WHERE s.source_type = 's3' AND s.source_config ->> 'bucket' IS NOT NULL
    UNION
    SELECT NULL, s.source_config ->> 'path', c.owner_id
    FROM collection_sources s JOIN collections c ON c.id = s.collection_id
    WHERE s.source_type IN ('directory', 'file') AND s.source_config ->> 'path' IS NOT NULL
) AS place;
