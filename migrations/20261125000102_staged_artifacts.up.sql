-- What is staged of a document: one row a generation, written with the item that staged it. The row says
-- what the bytes are; where they lie follows from the ids.
ALTER TABLE document_artifacts
    ADD COLUMN generation INTEGER NOT NULL DEFAULT 1,
    DROP CONSTRAINT uq_document_artifact_kind,
    ADD CONSTRAINT uq_document_artifact_generation UNIQUE (document_id, artifact_kind, generation);
ALTER TABLE document_artifacts ALTER COLUMN generation DROP DEFAULT;

-- The hash belongs to the generation that was staged last.
INSERT INTO document_artifacts (document_id, collection_id, mime_type, object_key, content_hash, size_bytes, generation)
SELECT
    id,
    collection_id,
    coalesce(mime_type, 'application/octet-stream'),
    format('raw/%s/%s/%s', collection_id, id, last_generation),
    content_hash,
    file_size,
    last_generation
FROM documents
WHERE last_generation > 0 AND content_hash IS NOT NULL AND duplicate_of IS NULL AND status <> 'skipped'
ON CONFLICT DO NOTHING;
