-- Sources are listed from their beginning again, and crawls transfer every page once more.
ALTER TABLE operation_items DROP COLUMN is_fetched;
DROP TRIGGER collection_sources_changed ON collection_sources;
DROP FUNCTION forget_source_listings();
DROP TABLE source_pages;
DROP TABLE source_checkpoints;
