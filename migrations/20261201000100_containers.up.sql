-- Files inside documents (members of archives, mails of mailboxes, attachments) are documents of their own, linked to
-- the document that contains them, and deleted with it.
ALTER TYPE deletion_reason ADD VALUE 'container';
ALTER TABLE documents
    -- The document that contains this one. NULL for most documents.
    ADD COLUMN container_id UUID REFERENCES documents (id) ON DELETE CASCADE;
CREATE INDEX idx_documents_container_id ON documents (container_id) WHERE container_id IS NOT NULL;

ALTER TABLE operation_items
    -- The document that contains the item's file, of items that its extraction has added. No foreign key: it is on the
    -- work list, too.
    ADD COLUMN container_id UUID,
    -- The container that no other one contains: the files of all archives in archives count together.
    ADD COLUMN outermost_id UUID;
CREATE INDEX idx_operation_items_container_id ON operation_items (container_id, operation_id)
    WHERE container_id IS NOT NULL;
CREATE INDEX idx_operation_items_outermost_id ON operation_items (outermost_id, operation_id)
    WHERE outermost_id IS NOT NULL;
