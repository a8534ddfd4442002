-- Two generations of one document.
INSERT INTO document_artifacts (document_id, collection_id, mime_type, object_key, content_hash, size_bytes, generation)
SELECT d.id, d.collection_id, 'text/plain', 'raw/x/' || staged, 'abc', 12, staged
FROM (SELECT * FROM documents LIMIT 1) AS d, generate_series(7, 8) AS staged;
