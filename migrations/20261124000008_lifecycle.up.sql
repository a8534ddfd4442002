-- The lifecycle of documents: removed and brought back, and what a version takes over from another.
ALTER TYPE operation_type ADD VALUE 'remove_documents';
ALTER TYPE operation_type ADD VALUE 'restore_documents';
ALTER TYPE item_state ADD VALUE 'removed' AFTER 'duplicate';

-- Who or what removed a document: what a person removed stays away when its source is read again.
CREATE TYPE deletion_reason AS ENUM ('user', 'source_removed', 'missing');
ALTER TABLE documents ADD COLUMN deletion_reason deletion_reason;
-- Documents outlive their source as deleted rows, and can be restored without it.
ALTER TABLE documents
    DROP CONSTRAINT documents_source_id_fkey,
    ADD CONSTRAINT documents_source_id_fkey
        FOREIGN KEY (source_id) REFERENCES collection_sources (id) ON DELETE SET NULL;
-- A deleted document with chunks still has points: whoever deletes those sets its chunk_count to 0.
CREATE INDEX idx_documents_unpurged ON documents (collection_id, deleted_at)
    WHERE status = 'deleted' AND chunk_count > 0;
-- Deleted documents are looked up by name too, when a source lists them again.
CREATE INDEX idx_documents_collection_uri ON documents (collection_id, uri);

ALTER TABLE operation_items
    -- The document is to be removed instead of indexed.
    ADD COLUMN is_removal BOOLEAN NOT NULL DEFAULT FALSE,
    -- The staged copy that the bytes are read from where it is there, else they come from the
    -- source. No foreign keys here: a document that goes for good takes its copies with it.
    ADD COLUMN copy_document_id UUID,
    ADD COLUMN copy_generation INTEGER,
    -- The version whose staged vectors are taken for chunks with the same text.
    ADD COLUMN base_document_id UUID,
    ADD COLUMN base_generation INTEGER,
    -- Whether nothing of the document was searchable before.
    ADD COLUMN is_new BOOLEAN,
    -- How many of the chunks took their vectors from the base.
    ADD COLUMN reused_chunks INTEGER NOT NULL DEFAULT 0;

-- Each measure is written once, when its operation ends.
DROP INDEX idx_operation_metrics_operation_id;
ALTER TABLE operation_metrics ADD CONSTRAINT uq_operation_metrics_name UNIQUE (operation_id, name);
