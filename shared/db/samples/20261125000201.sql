-- A running reindex.
INSERT INTO operations (uuid, collection_id, user_id, type, config, meta)
SELECT gen_random_uuid(), id, owner_id, 'reindex', '{"chunk_size": 128}', '{"vector_store_name": "staging_g2"}'
FROM collections;
UPDATE documents SET reserved_generation = 7 WHERE status = 'completed';
INSERT INTO operation_items (
    operation_id, uri, location, file_name, document_id, generation, base_document_id, base_generation,
    base_chunk_count, is_reindex, is_new
)
SELECT operations.id, documents.id::text, documents.file_path, documents.file_name, documents.id, 7, documents.id, 1, 2, TRUE, FALSE
FROM operations
JOIN documents ON documents.collection_id = operations.collection_id AND documents.status = 'completed'
WHERE operations.type = 'reindex';
