INSERT INTO ownership_offers (id, collection_id, from_user_id, to_user_id, expires_at)
SELECT gen_random_uuid(), collections.id, collections.owner_id, users.id, now() + interval '14 days'
FROM collections JOIN users ON users.id <> collections.owner_id
ORDER BY collections.id, users.id LIMIT 1;
