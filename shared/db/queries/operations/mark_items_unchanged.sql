-- $1 operation, $2 only items after this one.
WITH same AS (
    UPDATE documents d
    SET last_seen_at = now(), is_stale = FALSE, file_path = coalesce(i.file_path, d.file_path),
        url = coalesce(i.url, d.url)
    FROM operations o
    JOIN operation_items i ON i.operation_id = o.id AND i.state IN ('listed', 'staged', 'chunked')
    WHERE o.uuid = $1
        AND i.state = 'listed'
        AND i.dispatched_at IS NULL
        AND i.id > $2
        AND d.collection_id = o.collection_id
        AND d.uri = i.uri
        AND d.status IN ('completed', 'skipped')
        AND d.change_hint = i.change_hint
        -- A repair indexes the document again.
        AND d.content_hash IS NOT NULL
        AND (i.attributes IS NULL OR i.attributes = d.attributes)
        -- The title is in the chunks.
        AND (i.title IS NULL OR i.title = d.title)
        -- A document without a source gets this one, and its points must be updated with it.
        AND (d.source_id IS NOT NULL OR o.source_id IS NULL)
        -- A later generation that was staged but never indexed has overwritten the change hint.
        AND d.generation = d.last_generation
        -- Earlier versions recorded documents with equal bytes without points.
        AND (d.status = 'skipped' OR d.chunk_count > 0)
    RETURNING i.id AS item_id, d.id AS document_id
)
UPDATE operation_items i
SET state = 'unchanged', document_id = same.document_id, updated_at = now()
FROM same
WHERE i.id = same.item_id AND i.state = 'listed'
