-- A label cannot be taken from an enum: the type is made anew without it. What names the type goes and
-- comes back with it.
DROP INDEX uq_operations_one_reindex;
ALTER TABLE operations ALTER COLUMN type TYPE TEXT;
-- The nearest type of which any number may wait for one collection.
UPDATE operations SET type = 'append' WHERE type = 'rebuild';
DROP TYPE operation_type;
CREATE TYPE operation_type AS ENUM (
    'index', 'append', 'reindex', 'remove_source', 'delete', 'retry_documents', 'remove_documents',
    'restore_documents'
);
ALTER TABLE operations ALTER COLUMN type TYPE operation_type USING type::operation_type;
CREATE UNIQUE INDEX uq_operations_one_reindex ON operations (collection_id)
    WHERE type = 'reindex' AND status IN ('pending', 'processing');
