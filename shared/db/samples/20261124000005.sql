INSERT INTO user_resource_limits (user_id, max_collections) SELECT id, 7 FROM users
ON CONFLICT (user_id) DO UPDATE SET max_collections = 7;
