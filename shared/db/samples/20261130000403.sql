INSERT INTO refresh_tokens (user_id, family_id, session_started_at, token_hash, expires_at)
SELECT id, gen_random_uuid(), now() - interval '80 days', sha256('sliding'), now() + interval '30 days'
FROM users ORDER BY id LIMIT 1;
