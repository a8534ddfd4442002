INSERT INTO operations (uuid, collection_id, user_id, source_id, type, status)
SELECT gen_random_uuid(), collections.id, owner_id, collection_sources.id, 'append', 'processing'
FROM collections JOIN collection_sources ON collection_sources.collection_id = collections.id;
INSERT INTO operation_items (operation_id, uri, location, file_name, state, document_id)
SELECT operations.id, documents.uri, documents.uri, 'a.txt', 'completed', documents.id
FROM operations JOIN documents ON documents.collection_id = operations.collection_id AND documents.status = 'completed';
INSERT INTO operation_metrics (operation_id, name, value, unit) SELECT id, 'duration_seconds', 1.5, 's' FROM operations;
INSERT INTO collection_sync_runs (collection_id, triggered_by) SELECT id, 'manual' FROM collections;
