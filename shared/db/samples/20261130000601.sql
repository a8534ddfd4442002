INSERT INTO integrity_checks (collection_id, documents, mismatches) SELECT id, 50, 1 FROM collections;
