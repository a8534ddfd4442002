ALTER TABLE operation_items DROP COLUMN staged_at, DROP COLUMN chunked_at;
