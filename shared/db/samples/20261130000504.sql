INSERT INTO erasures (collection_id, document_id) SELECT collection_id, id FROM documents;
-- Queues its documents.
UPDATE documents SET generation = 2, last_generation = 2 WHERE status = 'completed';
