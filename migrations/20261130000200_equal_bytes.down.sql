DROP INDEX idx_documents_without_points;

-- Of documents with equal bytes, only the oldest may claim the content hash. The others keep their points, and
-- become duplicates when they are read again.
UPDATE documents d
SET content_hash = NULL
WHERE d.status NOT IN ('deleted', 'skipped')
    AND d.duplicate_of IS NULL
    AND EXISTS (
        SELECT FROM documents older
        WHERE older.collection_id = d.collection_id
            AND older.content_hash = d.content_hash
            AND older.status NOT IN ('deleted', 'skipped')
            AND older.duplicate_of IS NULL
            AND (older.created_at, older.id) < (d.created_at, d.id)
    );
CREATE UNIQUE INDEX uq_documents_collection_content_hash ON documents (collection_id, content_hash)
    WHERE status NOT IN ('deleted', 'skipped') AND duplicate_of IS NULL;
DROP INDEX idx_documents_equal_bytes;
