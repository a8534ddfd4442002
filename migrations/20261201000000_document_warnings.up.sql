-- What was lost or guessed while a document was read: a list of objects with `code` and `message`. On the item, of the
-- version that it writes; on the document, of the searchable version.
ALTER TABLE operation_items ADD COLUMN warnings JSONB NOT NULL DEFAULT '[]';
-- Chunks of which the embedding model knows less than half of the tokens.
ALTER TABLE operation_items ADD COLUMN unknown_chunks INTEGER NOT NULL DEFAULT 0;
ALTER TABLE documents ADD COLUMN warnings JSONB NOT NULL DEFAULT '[]';
