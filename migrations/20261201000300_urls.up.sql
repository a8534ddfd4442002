-- What a source says of its items beside their bytes: the URL at which people open the original, and its title. On the
-- item, of the version that it writes; on the document, of the searchable version. Null where the source gives none.
ALTER TABLE operation_items ADD COLUMN url TEXT;
ALTER TABLE operation_items ADD COLUMN title TEXT;
ALTER TABLE documents ADD COLUMN url TEXT;
ALTER TABLE documents ADD COLUMN title TEXT;
