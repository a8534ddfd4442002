INSERT INTO operations (uuid, collection_id, user_id, type)
SELECT gen_random_uuid(), id, owner_id, 'repair' FROM collections;
