DROP INDEX idx_operations_collection_created_at;
ALTER TABLE collection_resource_limits
    DROP CONSTRAINT ck_collection_resource_limits,
    DROP COLUMN used_documents,
    DROP COLUMN used_bytes;
DROP TABLE user_resource_limits;
