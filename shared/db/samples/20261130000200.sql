-- Documents with equal bytes, each with points of its own.
INSERT INTO documents (id, collection_id, uri, file_path, file_name, file_size, content_hash, status, chunk_count)
SELECT gen_random_uuid(), collections.id, format('upload://equal-%s.txt', n), format('equal-%s.txt', n),
    format('equal-%s.txt', n), 10, 'equal', 'completed', 2
FROM collections, generate_series(1, 3) AS n;
