DROP VIEW open_uploads;
DROP INDEX idx_uploads_open_announcer;
DROP INDEX idx_uploads_held_object;
ALTER TABLE uploads
    DROP COLUMN api_key_id,
    DROP COLUMN reason,
    DROP COLUMN etag,
    DROP COLUMN holds_object;

-- A label cannot be taken from an enum: the type is made anew without them. What was refused or withdrawn
-- becomes expired.
DROP INDEX idx_uploads_expected_key;
DROP INDEX idx_uploads_expected_expiry;
DROP INDEX idx_uploads_settled;
ALTER TABLE uploads ALTER COLUMN status DROP DEFAULT, ALTER COLUMN status TYPE TEXT;
UPDATE uploads SET status = 'expired' WHERE status IN ('refused', 'withdrawn');
DROP TYPE upload_status;
CREATE TYPE upload_status AS ENUM ('expected', 'received', 'expired');
ALTER TABLE uploads
    ALTER COLUMN status TYPE upload_status USING status::upload_status,
    ALTER COLUMN status SET DEFAULT 'expected';
CREATE INDEX idx_uploads_expected_key ON uploads (object_key) WHERE status = 'expected';
CREATE INDEX idx_uploads_expected_expiry ON uploads (expires_at) WHERE status = 'expected';
CREATE INDEX idx_uploads_settled ON uploads (created_at) WHERE status <> 'expected';
