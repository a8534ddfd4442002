INSERT INTO users (username, email, full_name, hashed_password, is_superuser)
VALUES ('ada', 'ada@example.org', 'Ada Lovelace', '$argon2id$sample', TRUE),
       ('grace', 'grace@example.org', NULL, '$argon2id$sample', FALSE);
INSERT INTO user_preferences (user_id, search) SELECT id, '{"top_k": 10}' FROM users;
INSERT INTO refresh_tokens (user_id, family_id, token_hash, expires_at)
SELECT id, gen_random_uuid(), sha256(username::bytea), now() + interval '30 days' FROM users;
INSERT INTO api_keys (id, user_id, name, key_hash)
SELECT gen_random_uuid(), id, 'laptop', sha256(('key of ' || username)::bytea) FROM users;
INSERT INTO login_attempts (subject, failures) VALUES ('account:ada', 3);
