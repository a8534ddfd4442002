INSERT INTO source_checkpoints (source_id, checkpoint, operation_id, next_checkpoint)
SELECT s.id, 'a', o.id, 'b' FROM collection_sources s CROSS JOIN operations o LIMIT 1;
INSERT INTO source_pages (source_id, url, depth, found_by, visited_by, links)
SELECT s.id, 'https://example.org/', 0, o.id, o.id, '{https://example.org/a}'
FROM collection_sources s CROSS JOIN operations o LIMIT 1;
UPDATE operation_items SET is_fetched = TRUE;
