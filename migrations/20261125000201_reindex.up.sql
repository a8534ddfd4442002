-- Reindexing: a second index of a collection is filled beside the one that answers, then takes its place.
--
-- Counts the indexes that a collection ever had: none has a name twice.
ALTER TABLE collections ADD COLUMN index_generation INTEGER NOT NULL DEFAULT 1;
-- The highest generation that a reindex gave the document. Apart from last_generation, which says what
-- was staged last of its source: a reindex that fails leaves the document as it was, and no later
-- version gets the number of one that a straggler may still write.
ALTER TABLE documents ADD COLUMN reserved_generation INTEGER NOT NULL DEFAULT 0;
ALTER TABLE operation_items
    -- The item's points go to the index that is being filled; its document changes when that takes over.
    ADD COLUMN is_reindex BOOLEAN NOT NULL DEFAULT FALSE,
    -- How many chunks the base has, so that a rollback can say it again.
    ADD COLUMN base_chunk_count INTEGER;
-- One at a time: the second would start from settings that the first is about to replace.
CREATE UNIQUE INDEX uq_operations_one_reindex ON operations (collection_id)
    WHERE type = 'reindex' AND status IN ('pending', 'processing');
