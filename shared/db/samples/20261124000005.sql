INSERT INTO user_resource_limits (user_id, max_collections) SELECT id, 7 FROM users;
UPDATE collection_resource_limits SET used_documents = 3, used_bytes = 5000000000;
