-- A larger version of a document is being indexed.
UPDATE documents SET staged_size = 6000000000, last_generation = generation + 1
WHERE status = 'completed' AND duplicate_of IS NULL;
