INSERT INTO mcp_profiles (id, user_id, name) SELECT gen_random_uuid(), id, 'notes' FROM users;
INSERT INTO mcp_profile_collections (profile_id, collection_id, position)
SELECT mcp_profiles.id, collections.id, 0
FROM mcp_profiles JOIN collections ON collections.owner_id = mcp_profiles.user_id;
