INSERT INTO uploads (id, collection_id, user_id, name, object_key, size_bytes, content_type, expires_at)
SELECT gen_random_uuid(), id, owner_id, 'a.txt', 'uploads/x/a.txt', 5000000000, 'text/plain', now() FROM collections;
