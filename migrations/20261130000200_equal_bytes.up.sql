-- Every document has points of its own, so documents of a collection may have the same content hash. Oldest first:
-- the oldest is the original that the others name, and whose vectors they reuse.
CREATE INDEX idx_documents_equal_bytes ON documents (collection_id, content_hash, created_at, id)
    WHERE content_hash IS NOT NULL;
DROP INDEX uq_documents_collection_content_hash;

-- Earlier versions recorded documents with equal bytes as duplicates, without points: sweep has them indexed.
-- The column duplicate_of is dropped in a later release; nothing writes it any more.
CREATE INDEX idx_documents_without_points ON documents (collection_id, id)
    WHERE status = 'completed' AND chunk_count = 0;
