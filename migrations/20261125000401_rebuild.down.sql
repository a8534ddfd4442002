-- A label cannot be taken from an enum: the type is made anew without it.
ALTER TABLE operations ALTER COLUMN type TYPE TEXT;
UPDATE operations SET type = 'reindex' WHERE type = 'rebuild';
DROP TYPE operation_type;
CREATE TYPE operation_type AS ENUM (
    'index', 'append', 'reindex', 'remove_source', 'delete', 'retry_documents', 'remove_documents',
    'restore_documents'
);
ALTER TABLE operations ALTER COLUMN type TYPE operation_type USING type::operation_type;
