INSERT INTO document_artifacts (document_id, collection_id, mime_type, object_key, content_hash, size_bytes, generation, is_copy)
SELECT d.id, d.collection_id, 'text/plain', 'raw/x/9', 'abc', 12, 9, TRUE
FROM (SELECT * FROM documents LIMIT 1) AS d;
