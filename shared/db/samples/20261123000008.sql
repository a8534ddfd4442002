INSERT INTO idempotency_keys (user_id, key, method, path, request_hash)
SELECT id, 'k', 'POST', '/api/v2/collections', '\x00' FROM users;
