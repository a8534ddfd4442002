-- Push runs are lost, and with them what was named in those that are open. Pushes that have not arrived become uploads of
-- the names that they were given.
DROP TABLE push_run_documents;
DROP TABLE push_runs;
DROP TYPE push_run_status;

DROP VIEW open_uploads;
DROP INDEX idx_uploads_collection_uri;
ALTER TABLE uploads
    DROP COLUMN uri,
    DROP COLUMN push_source,
    DROP COLUMN title,
    DROP COLUMN url;
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
