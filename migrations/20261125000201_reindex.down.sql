DROP INDEX uq_operations_one_reindex;
ALTER TABLE operation_items DROP COLUMN is_reindex, DROP COLUMN base_chunk_count;
ALTER TABLE documents DROP COLUMN reserved_generation;
ALTER TABLE collections DROP COLUMN index_generation;
