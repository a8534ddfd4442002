-- Brings the names of documents and collections into Unicode Normalization Form C, in which they are stored, shown and
-- filtered from now on.
--
-- A document keeps its URI, of which its id is made: uploads of either spelling find it by both forms of its URI. The
-- names in its points are not rewritten; filters ask for both forms.
--
-- Reads each table once and writes only the rows that change, which are few: names typed on most systems have this form
-- already.
UPDATE documents
SET file_path = normalize(file_path, NFC), file_name = normalize(file_name, NFC)
WHERE file_path IS NOT NFC NORMALIZED OR file_name IS NOT NFC NORMALIZED;

UPDATE operation_items
SET file_name = normalize(file_name, NFC)
WHERE state IN ('listed', 'staged', 'chunked') AND file_name IS NOT NFC NORMALIZED;

-- Two collections of one owner whose names become equal: the one that has the name already, else the older one, gets it;
-- the other keeps its old spelling until it is renamed.
UPDATE collections c
SET name = normalize(c.name, NFC)
WHERE c.name IS NOT NFC NORMALIZED
    AND NOT EXISTS (
        SELECT FROM collections other
        WHERE other.owner_id = c.owner_id
            AND other.id <> c.id
            AND other.deleted_at IS NULL
            AND lower(normalize(other.name, NFC)) = lower(normalize(c.name, NFC))
            AND (other.name IS NFC NORMALIZED OR (other.created_at, other.id) < (c.created_at, c.id))
    );

DO $$
DECLARE
    kept BIGINT;
BEGIN
    SELECT count(*) INTO kept FROM collections WHERE name IS NOT NFC NORMALIZED AND deleted_at IS NULL;
    IF kept > 0 THEN
        RAISE NOTICE '% collections keep a name in another normal form, because their owner has one of the same name', kept;
    END IF;
END
$$;
