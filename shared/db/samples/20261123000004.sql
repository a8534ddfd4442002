INSERT INTO documents (id, collection_id, source_id, uri, file_path, file_name, file_size, content_hash, status)
SELECT gen_random_uuid(), collection_id, id, 'file:///srv/documents/a.txt', 'a.txt', 'a.txt', 5000000000, 'abc', 'completed'
FROM collection_sources;
-- The same bytes and name as a soft-deleted document are allowed.
INSERT INTO documents (id, collection_id, source_id, uri, file_path, file_name, file_size, content_hash, status)
SELECT gen_random_uuid(), collection_id, source_id, uri, file_path, file_name, file_size, content_hash, 'deleted'
FROM documents;
INSERT INTO documents (id, collection_id, source_id, uri, file_path, file_name, file_size, content_hash, status, duplicate_of)
SELECT gen_random_uuid(), collection_id, source_id, 'file:///srv/documents/b.txt', 'b.txt', 'b.txt', file_size, content_hash, 'completed', id
FROM documents WHERE status = 'completed';
INSERT INTO document_artifacts (document_id, collection_id, mime_type, object_key, content_hash, size_bytes, generation)
SELECT id, collection_id, 'text/plain', 'raw/x', 'abc', 5000000000, 1 FROM documents;
