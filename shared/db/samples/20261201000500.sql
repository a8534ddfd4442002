UPDATE uploads SET uri = 'crm://tickets/17', push_source = 'crm', title = 'Tides', url = 'https://example.org/tides';
INSERT INTO push_runs (id, collection_id, source_id, user_id)
SELECT gen_random_uuid(), s.collection_id, s.id, c.owner_id
FROM collection_sources s JOIN collections c ON c.id = s.collection_id LIMIT 1;
INSERT INTO push_run_documents (run_id, uri) SELECT id, 'crm://tickets/17' FROM push_runs;
