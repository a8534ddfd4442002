ALTER TABLE documents DROP COLUMN attributes;
ALTER TABLE operation_items DROP COLUMN attributes;
ALTER TABLE uploads DROP COLUMN attributes;
