-- Whether title and headings are put before a chunk's text when it is embedded and indexed. Existing indexes were built
-- without; so are those that the version still running creates.
ALTER TABLE collections ADD COLUMN contextualize BOOLEAN NOT NULL DEFAULT FALSE;
