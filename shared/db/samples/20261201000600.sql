INSERT INTO source_failures (source_id, failures, not_before) SELECT id, 2, now() FROM collection_sources LIMIT 1;
