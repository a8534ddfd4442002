-- A session is a family of refresh tokens: when it began outlives its first, spent tokens.
ALTER TABLE refresh_tokens ADD COLUMN session_started_at TIMESTAMPTZ NOT NULL DEFAULT now();
UPDATE refresh_tokens SET session_started_at = family.started_at
FROM (SELECT family_id, min(created_at) AS started_at FROM refresh_tokens GROUP BY family_id) AS family
WHERE family.family_id = refresh_tokens.family_id;

-- Of a family at most one token works: the newest.
UPDATE refresh_tokens SET is_revoked = TRUE
WHERE NOT is_revoked AND EXISTS (
    SELECT 1 FROM refresh_tokens newer WHERE newer.family_id = refresh_tokens.family_id AND newer.id > refresh_tokens.id
);
CREATE UNIQUE INDEX uq_refresh_tokens_family_live ON refresh_tokens (family_id) WHERE NOT is_revoked;
-- The sessions of a user, without the tokens they have spent.
CREATE INDEX idx_refresh_tokens_user_live ON refresh_tokens (user_id, id) WHERE NOT is_revoked;
