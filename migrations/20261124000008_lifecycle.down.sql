ALTER TABLE operation_metrics DROP CONSTRAINT uq_operation_metrics_name;
CREATE INDEX idx_operation_metrics_operation_id ON operation_metrics (operation_id);

ALTER TABLE operation_items
    DROP COLUMN is_removal,
    DROP COLUMN copy_document_id,
    DROP COLUMN copy_generation,
    DROP COLUMN base_document_id,
    DROP COLUMN base_generation,
    DROP COLUMN is_new,
    DROP COLUMN reused_chunks;

DROP INDEX idx_documents_collection_uri;
DROP INDEX idx_documents_unpurged;
ALTER TABLE documents
    DROP COLUMN deletion_reason,
    DROP CONSTRAINT documents_source_id_fkey,
    ADD CONSTRAINT documents_source_id_fkey FOREIGN KEY (source_id) REFERENCES collection_sources (id);
DROP TYPE deletion_reason;

-- A label cannot be taken from an enum: the types are made anew without them.
DROP INDEX idx_operation_items_open;
ALTER TABLE operation_items ALTER COLUMN state DROP DEFAULT, ALTER COLUMN state TYPE TEXT;
UPDATE operation_items SET state = 'completed' WHERE state = 'removed';
DROP TYPE item_state;
CREATE TYPE item_state AS ENUM (
    'listed', 'staged', 'chunked',
    'completed', 'unchanged', 'duplicate', 'skipped', 'failed', 'cancelled'
);
ALTER TABLE operation_items
    ALTER COLUMN state TYPE item_state USING state::item_state,
    ALTER COLUMN state SET DEFAULT 'listed';
CREATE INDEX idx_operation_items_open ON operation_items (operation_id, id)
    WHERE state IN ('listed', 'staged', 'chunked');

ALTER TABLE operations ALTER COLUMN type TYPE TEXT;
UPDATE operations SET type = CASE type WHEN 'remove_documents' THEN 'remove_source' ELSE 'append' END
WHERE type IN ('remove_documents', 'restore_documents');
DROP TYPE operation_type;
CREATE TYPE operation_type AS ENUM ('index', 'append', 'reindex', 'remove_source', 'delete', 'retry_documents');
ALTER TABLE operations ALTER COLUMN type TYPE operation_type USING type::operation_type;
