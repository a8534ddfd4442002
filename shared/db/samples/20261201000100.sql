INSERT INTO documents (id, collection_id, uri, file_path, file_name, file_size, status, container_id, deletion_reason)
SELECT gen_random_uuid(), collection_id, 'upload://a.zip!/a.txt', 'a.zip!/a.txt', 'a.zip!/a.txt', 1, 'deleted', id, 'container'
FROM (SELECT * FROM documents LIMIT 1) AS outer_document;
UPDATE operation_items SET container_id = document_id, outermost_id = document_id WHERE document_id IS NOT NULL;
