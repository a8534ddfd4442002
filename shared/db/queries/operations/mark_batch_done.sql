-- $1 item, $2 batch, $3 number of its chunks that reused vectors of the base, $4 number of its chunks of which the
-- model knows less than half.
WITH before AS (
    SELECT d.generation
    FROM operation_items i JOIN documents d ON d.id = i.document_id
    WHERE i.id = $1
),
item AS (
    -- Uses only the row itself: of two concurrent batches, the later one recomputes this from the result of
    -- the earlier one.
    UPDATE operation_items i
    SET batches_done = array_append(array_remove(i.batches_done, $2), $2),
        state = CASE
            WHEN cardinality(array_remove(i.batches_done, $2)) + 1 >= i.batch_count THEN 'completed'::item_state
            ELSE i.state
        END,
        reused_chunks = i.reused_chunks + CASE WHEN $2 = ANY (i.batches_done) THEN 0 ELSE $3 END,
        warnings = CASE
            WHEN cardinality(array_remove(i.batches_done, $2)) + 1 >= i.batch_count
                AND i.unknown_chunks + CASE WHEN $2 = ANY (i.batches_done) THEN 0 ELSE $4 END > 0
            THEN i.warnings || jsonb_build_object(
                'code', 'text_unknown',
                'message', format(
                    'of %s of %s chunks, the embedding model knows less than half of the text; semantic search ranks them last',
                    i.unknown_chunks + CASE WHEN $2 = ANY (i.batches_done) THEN 0 ELSE $4 END, i.chunk_count
                )
            )
            ELSE i.warnings
        END,
        unknown_chunks = i.unknown_chunks + CASE WHEN $2 = ANY (i.batches_done) THEN 0 ELSE $4 END,
        updated_at = now()
    WHERE i.id = $1 AND i.state = 'chunked'
    RETURNING i.*
),
document AS (
    UPDATE documents d
    SET status = 'completed',
        generation = item.generation,
        content_hash = item.content_hash,
        file_size = item.size_bytes,
        mime_type = item.mime_type,
        attributes = coalesce(item.attributes, d.attributes),
        url = coalesce(item.url, d.url),
        title = coalesce(item.title, d.title),
        change_hint = item.change_hint,
        chunk_count = item.chunk_count,
        warnings = item.warnings,
        error_message = NULL,
        error_category = NULL,
        source_id = coalesce((SELECT o.source_id FROM operations o WHERE o.id = item.operation_id), d.source_id),
        updated_at = now()
    FROM item
    -- A reindexed document becomes searchable with the swap only.
    WHERE d.id = item.document_id AND item.state = 'completed' AND NOT item.is_reindex AND d.status <> 'deleted'
)
SELECT
    item.state = 'completed' AS "is_last!",
    cardinality(item.batches_done) AS "done!",
    item.batch_count AS "total!",
    coalesce((SELECT generation FROM before), 0) AS "replaced_generation!"
FROM item
