INSERT INTO source_grants (id, bucket, path, user_id, granted_by)
SELECT gen_random_uuid(), 'manuals', 'guides/', id, id FROM users ORDER BY id LIMIT 1;
INSERT INTO source_grants (id, path) VALUES (gen_random_uuid(), '/srv/docs');
INSERT INTO source_grantees (source_id, user_id)
SELECT s.id, c.owner_id FROM collection_sources s JOIN collections c ON c.id = s.collection_id;
