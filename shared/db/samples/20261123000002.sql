INSERT INTO collections (id, name, owner_id, vector_store_name, embedding_model, chunk_size, chunk_overlap)
SELECT gen_random_uuid(), 'notes', id, 'store of ' || username, 'a-model', 256, 51 FROM users;
INSERT INTO collection_permissions (collection_id, user_id, permission)
SELECT collections.id, users.id, 'read' FROM collections JOIN users ON users.id <> collections.owner_id;
INSERT INTO collection_permissions (collection_id, api_key_id, permission)
SELECT collections.id, api_keys.id, 'write' FROM collections JOIN api_keys ON api_keys.user_id = collections.owner_id;
INSERT INTO collection_resource_limits (collection_id) SELECT id FROM collections;
