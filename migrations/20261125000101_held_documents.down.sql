DROP TRIGGER documents_inserted ON documents;
DROP TRIGGER documents_updated ON documents;
DROP TRIGGER documents_deleted ON documents;
DROP FUNCTION count_held_documents();
DROP FUNCTION hold_documents(UUID, BIGINT, BIGINT);
ALTER TABLE documents DROP COLUMN held_bytes, DROP COLUMN staged_size;
