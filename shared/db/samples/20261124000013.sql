INSERT INTO refresh_tokens (user_id, family_id, token_hash, expires_at, session_started_at, is_revoked)
SELECT users.id, family.id, sha256((username || spent)::bytea), now() + interval '30 days', now() - interval '40 days', spent
FROM users, (SELECT gen_random_uuid() AS id) AS family, (VALUES (TRUE), (FALSE)) AS tokens (spent)
WHERE username = 'ada';
