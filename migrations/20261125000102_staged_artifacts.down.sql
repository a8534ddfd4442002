DELETE FROM document_artifacts a
WHERE EXISTS (
    SELECT FROM document_artifacts later
    WHERE later.document_id = a.document_id AND later.artifact_kind = a.artifact_kind AND later.generation > a.generation
);
ALTER TABLE document_artifacts
    DROP CONSTRAINT uq_document_artifact_generation,
    ADD CONSTRAINT uq_document_artifact_kind UNIQUE (document_id, artifact_kind),
    DROP COLUMN generation;
