INSERT INTO webhooks (id, user_id, url, events)
SELECT gen_random_uuid(), id, 'https://hooks.example.org/' || username, '{operation.completed,document.failed}' FROM users;
INSERT INTO webhooks (id, user_id, collection_id, url, events, enabled, disabled_reason)
SELECT gen_random_uuid(), owner_id, id, 'https://hooks.example.org/collection', '{collection.degraded}', FALSE, 'it answered 410'
FROM collections;
INSERT INTO webhook_secrets (webhook_id, ciphertext, key_id, expires_at)
SELECT id, '\x01', 'old', now() + interval '1 day' FROM webhooks;
INSERT INTO webhook_secrets (webhook_id, ciphertext, key_id) SELECT id, '\x02', 'new' FROM webhooks;
INSERT INTO webhook_deliveries (id, webhook_id, collection_id, event_type, payload)
SELECT gen_random_uuid(), webhooks.id, collections.id, 'operation.completed', '{"type": "operation.completed"}'
FROM webhooks JOIN collections ON collections.owner_id = webhooks.user_id;
