-- An arrival belongs to its announcement: who may bring it, and what became of it.
ALTER TYPE upload_status ADD VALUE 'refused';
ALTER TYPE upload_status ADD VALUE 'withdrawn';

ALTER TABLE uploads
    -- The API key that announced it. No foreign key: an upload of a deleted key is refused.
    ADD COLUMN api_key_id UUID,
    -- Why it was refused.
    ADD COLUMN reason TEXT,
    -- The ETag of the object that was accepted.
    ADD COLUMN etag TEXT,
    -- Whether the accepted object is still in the bucket.
    ADD COLUMN holds_object BOOLEAN NOT NULL DEFAULT FALSE;
CREATE INDEX idx_uploads_held_object ON uploads (object_key) WHERE holds_object;
CREATE INDEX idx_uploads_open_announcer ON uploads (user_id) WHERE status = 'expected';

-- Announcements that count: their presigned URL is valid, and their announcer has not lost access. What an
-- arrival may do is decided when it arrives, by accessible_collections.sql.
CREATE VIEW open_uploads AS
SELECT u.id, u.collection_id, u.user_id, u.name, u.size_bytes
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
