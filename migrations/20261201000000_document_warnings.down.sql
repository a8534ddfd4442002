-- The warnings are lost.
ALTER TABLE documents DROP COLUMN warnings;
ALTER TABLE operation_items DROP COLUMN unknown_chunks;
ALTER TABLE operation_items DROP COLUMN warnings;
