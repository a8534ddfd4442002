DROP INDEX idx_operation_items_outermost_id;
DROP INDEX idx_operation_items_container_id;
ALTER TABLE operation_items DROP COLUMN outermost_id, DROP COLUMN container_id;

-- The links are lost: what was inside a document becomes an independent one.
DROP INDEX idx_documents_container_id;
ALTER TABLE documents DROP COLUMN container_id;

-- A label cannot be removed from an enum: the type is created again without it.
ALTER TABLE documents ALTER COLUMN deletion_reason TYPE TEXT;
-- As of a source, so that the archive brings them back when it is read again.
UPDATE documents SET deletion_reason = 'missing' WHERE deletion_reason = 'container';
DROP TYPE deletion_reason;
CREATE TYPE deletion_reason AS ENUM ('user', 'source_removed', 'missing');
ALTER TABLE documents ALTER COLUMN deletion_reason TYPE deletion_reason USING deletion_reason::deletion_reason;
