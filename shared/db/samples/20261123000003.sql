INSERT INTO collection_sources (collection_id, source_path, source_type)
SELECT id, '/srv/documents', 'directory' FROM collections;
INSERT INTO connector_secrets (collection_source_id, secret_type, ciphertext, key_id)
SELECT id, 'token', '\x00', 'k1' FROM collection_sources;
