-- A tombstone, and a document whose purge was requested.
INSERT INTO documents (id, collection_id, uri, file_path, file_name, file_size, status, deleted_at, purge_requested_at, purge_user_id, purged_at)
SELECT gen_random_uuid(), id, purged_uri(id, 'upload://secret.txt'), '', '', 0, 'deleted'::document_status, now(), now(), owner_id, now()
FROM collections
UNION ALL
SELECT gen_random_uuid(), id, 'upload://another.txt', 'another.txt', 'another.txt', 5, 'deleted'::document_status, now(), now(), owner_id, NULL
FROM collections;
