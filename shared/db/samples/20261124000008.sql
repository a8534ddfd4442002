INSERT INTO operations (uuid, collection_id, user_id, type)
SELECT gen_random_uuid(), id, owner_id, 'remove_documents' FROM collections;
INSERT INTO operations (uuid, collection_id, user_id, type)
SELECT gen_random_uuid(), id, owner_id, 'restore_documents' FROM collections;
UPDATE documents SET deletion_reason = 'user', chunk_count = 2 WHERE status = 'deleted';
INSERT INTO operation_items (operation_id, uri, location, file_name, state, document_id, is_removal)
SELECT operations.id, documents.uri, documents.uri, 'a.txt', 'removed', documents.id, TRUE
FROM operations JOIN documents ON documents.collection_id = operations.collection_id AND documents.status = 'deleted'
WHERE operations.type = 'remove_documents';
INSERT INTO operation_items (operation_id, uri, location, file_name, document_id, copy_document_id, copy_generation)
SELECT operations.id, documents.uri, documents.uri, 'a.txt', documents.id, documents.id, 1
FROM operations JOIN documents ON documents.collection_id = operations.collection_id AND documents.status = 'deleted'
WHERE operations.type = 'restore_documents';
-- A source can be deleted while one of its documents stays as a soft-deleted row.
INSERT INTO collection_sources (collection_id, source_path, source_type)
SELECT id, '/srv/gone', 'directory' FROM collections;
INSERT INTO documents (id, collection_id, source_id, uri, file_path, file_name, file_size, status, deletion_reason)
SELECT gen_random_uuid(), collection_id, id, 'file:///srv/gone/a.txt', 'a.txt', 'a.txt', 1, 'deleted', 'source_removed'
FROM collection_sources WHERE source_path = '/srv/gone';
DELETE FROM collection_sources WHERE source_path = '/srv/gone';
