-- The URLs and titles are lost until the sources are listed again.
ALTER TABLE documents DROP COLUMN title;
ALTER TABLE documents DROP COLUMN url;
ALTER TABLE operation_items DROP COLUMN title;
ALTER TABLE operation_items DROP COLUMN url;
