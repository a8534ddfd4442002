-- $1 reindex, $2 whether to roll back: the documents return to the state before it.
--
-- Documents that were deleted, or deleted and restored, do not change.
UPDATE documents d
SET generation = CASE WHEN $2 THEN i.base_generation ELSE i.generation END,
    -- Keeps a later generation that was staged but never indexed.
    last_generation = CASE
        WHEN d.last_generation <> d.generation THEN d.last_generation
        WHEN $2 THEN i.base_generation
        ELSE i.generation
    END,
    chunk_count = CASE WHEN $2 THEN i.base_chunk_count ELSE i.chunk_count END,
    warnings = CASE WHEN $2 THEN d.warnings ELSE i.warnings END,
    updated_at = now()
FROM operation_items i
WHERE i.operation_id = $1
    AND i.is_reindex
    AND i.state = 'completed'
    AND d.id = i.document_id
    AND d.status <> 'deleted'
    AND d.chunk_count > 0
    AND d.generation = CASE WHEN $2 THEN i.generation ELSE i.base_generation END
