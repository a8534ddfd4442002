-- A label cannot be removed from an enum: the type is created again without it. What depends on the type is
-- dropped and created again.
DROP INDEX uq_operations_one_reindex;
ALTER TABLE operations ALTER COLUMN type TYPE TEXT;
-- The nearest type of which any number may wait for one collection.
UPDATE operations SET type = 'append' WHERE type = 'repair';
DROP TYPE operation_type;
CREATE TYPE operation_type AS ENUM (
    'index', 'append', 'reindex', 'remove_source', 'delete', 'retry_documents', 'remove_documents',
    'restore_documents', 'rebuild'
);
ALTER TABLE operations ALTER COLUMN type TYPE operation_type USING type::operation_type;
CREATE UNIQUE INDEX uq_operations_one_reindex ON operations (collection_id)
    WHERE type = 'reindex' AND status IN ('pending', 'processing');
