-- What people say of their documents, an object of keys with plain values: searches can ask for it.
--
-- Said with an upload, NULL where nothing was said; the bytes bring it to the work list, and the version
-- that is indexed brings it to the document. A document's attributes are those that its points have.
ALTER TABLE uploads ADD COLUMN attributes JSONB;
ALTER TABLE operation_items ADD COLUMN attributes JSONB;
ALTER TABLE documents ADD COLUMN attributes JSONB NOT NULL DEFAULT '{}';
