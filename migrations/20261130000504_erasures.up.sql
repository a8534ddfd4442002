-- Erasure of staged objects. Whatever makes a generation of a document unreferenced queues the document here, in
-- the same transaction; sweep then deletes the objects of every generation that kept_generations does not list.
CREATE TABLE erasures (
    id BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    -- No foreign keys and no uniqueness: queueing a document never waits for another transaction.
    collection_id UUID NOT NULL,
    document_id UUID NOT NULL,
    due_at TIMESTAMPTZ NOT NULL DEFAULT now()
);
CREATE INDEX idx_erasures_due_at ON erasures (due_at, id);
CREATE INDEX idx_erasures_document_id ON erasures (document_id);

CREATE INDEX idx_operation_items_open_copy ON operation_items (copy_document_id)
    WHERE copy_document_id IS NOT NULL AND state IN ('listed', 'staged', 'chunked');
CREATE INDEX idx_operation_items_open_base ON operation_items (base_document_id)
    WHERE base_document_id IS NOT NULL AND state IN ('listed', 'staged', 'chunked');

-- The generations whose staged objects are needed, and by when that ends by itself. The only definition.
CREATE VIEW kept_generations (document_id, generation, kept_until) AS
-- What is searchable, what was staged last (a retry reads it), and the bytes of a generation without bytes of its own.
SELECT d.id, own.generation, NULL::timestamptz
FROM documents d
CROSS JOIN LATERAL (
    VALUES
        (d.generation),
        (d.last_generation),
        ((SELECT max(a.generation) FROM document_artifacts a WHERE a.document_id = d.id AND a.generation <= d.generation))
) AS own (generation)
WHERE d.purge_requested_at IS NULL AND own.generation > 0
UNION ALL
-- What a running operation writes. The documents of a reindex are complete before it swaps them.
SELECT i.document_id, i.generation, NULL
FROM operation_items i
JOIN operations o ON o.id = i.operation_id AND o.status IN ('pending', 'processing')
WHERE i.document_id IS NOT NULL AND i.generation IS NOT NULL
    AND (i.state IN ('listed', 'staged', 'chunked') OR (i.is_reindex AND i.state = 'completed'))
UNION ALL
-- An item knows its document from the moment it is staged on; its bytes are written before.
SELECT d.id, i.generation, NULL
FROM documents d
JOIN operations o ON o.collection_id = d.collection_id AND o.status IN ('pending', 'processing')
JOIN operation_items i ON i.operation_id = o.id AND i.uri = d.uri
WHERE i.document_id IS NULL AND i.generation IS NOT NULL AND i.state = 'listed'
UNION ALL
-- What open items read: staged bytes that are copied, and vectors that are reused.
SELECT i.copy_document_id, i.copy_generation, NULL
FROM operation_items i
WHERE i.copy_document_id IS NOT NULL AND i.copy_generation IS NOT NULL AND i.state IN ('listed', 'staged', 'chunked')
UNION ALL
SELECT i.base_document_id, i.base_generation, NULL
FROM operation_items i
WHERE i.base_document_id IS NOT NULL AND i.base_generation IS NOT NULL AND i.state IN ('listed', 'staged', 'chunked')
UNION ALL
-- What a rollback of a reindex returns to.
SELECT i.document_id, i.base_generation, r.drop_after
FROM operation_items i
JOIN retired_vector_stores r ON r.operation_id = i.operation_id AND r.dropped_at IS NULL
JOIN documents d ON d.id = i.document_id AND d.purge_requested_at IS NULL
WHERE i.is_reindex AND i.state = 'completed' AND i.base_generation IS NOT NULL;

CREATE FUNCTION queue_erasures_of_documents() RETURNS TRIGGER
LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO erasures (collection_id, document_id)
    SELECT after.collection_id, after.id
    FROM added after JOIN removed before ON before.id = after.id
    WHERE after.purged_at IS NULL
        AND (
            (before.generation > 0 AND before.generation NOT IN (after.generation, after.last_generation))
            OR (before.last_generation > 0 AND before.last_generation NOT IN (after.generation, after.last_generation))
            OR (before.purge_requested_at IS NULL AND after.purge_requested_at IS NOT NULL)
        );
    RETURN NULL;
END
$$;
CREATE TRIGGER documents_replaced AFTER UPDATE ON documents
    REFERENCING OLD TABLE AS removed NEW TABLE AS added
    FOR EACH STATEMENT EXECUTE FUNCTION queue_erasures_of_documents();

-- An item that ends needs no longer what it has read; and what it has written, if that never became searchable.
CREATE FUNCTION queue_erasures_of_items() RETURNS TRIGGER
LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO erasures (collection_id, document_id, due_at)
    SELECT DISTINCT d.collection_id, d.id, now() + later.delay
    FROM added after
    JOIN removed before ON before.id = after.id
    CROSS JOIN LATERAL (
        VALUES
            (after.document_id, after.generation, after.state IN ('failed', 'cancelled')),
            (after.copy_document_id, after.copy_generation, FALSE),
            (after.base_document_id, after.base_generation, FALSE)
    ) AS used (document_id, generation, has_stragglers)
    JOIN documents d ON d.id = used.document_id
    -- A stage that is still at it when its item is ended may write objects after the first erasure.
    JOIN (VALUES (interval '0', FALSE), (interval '1 hour', TRUE)) AS later (delay, is_second)
        ON NOT later.is_second OR used.has_stragglers
    WHERE before.state IN ('listed', 'staged', 'chunked')
        AND after.state NOT IN ('listed', 'staged', 'chunked')
        AND used.generation > 0
        AND (used.generation NOT IN (d.generation, d.last_generation) OR d.purge_requested_at IS NOT NULL)
        -- The end of its operation decides.
        AND NOT (after.is_reindex AND after.state = 'completed');
    RETURN NULL;
END
$$;
CREATE TRIGGER operation_items_ended AFTER UPDATE ON operation_items
    REFERENCING OLD TABLE AS removed NEW TABLE AS added
    FOR EACH STATEMENT EXECUTE FUNCTION queue_erasures_of_items();

CREATE FUNCTION queue_erasures_of_reindexes() RETURNS TRIGGER
LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO erasures (collection_id, document_id, due_at)
    SELECT d.collection_id, d.id, now() + later.delay
    FROM added after
    JOIN removed before ON before.id = after.id
    JOIN operation_items i ON i.operation_id = after.id AND i.is_reindex AND i.state = 'completed'
    JOIN documents d ON d.id = i.document_id
    CROSS JOIN (VALUES (interval '0'), (interval '1 hour')) AS later (delay)
    WHERE after.type = 'reindex'
        AND before.status IN ('pending', 'processing')
        AND after.status NOT IN ('pending', 'processing')
        AND i.generation NOT IN (d.generation, d.last_generation);
    RETURN NULL;
END
$$;
CREATE TRIGGER operations_ended AFTER UPDATE ON operations
    REFERENCING OLD TABLE AS removed NEW TABLE AS added
    FOR EACH STATEMENT EXECUTE FUNCTION queue_erasures_of_reindexes();

-- What was replaced before this migration, at most 500 documents a minute, so that sweep gets to other documents too.
INSERT INTO erasures (collection_id, document_id, due_at)
SELECT collection_id, id, now() + interval '1 minute' * (row_number() OVER (ORDER BY id) / 500)
FROM documents
WHERE greatest(last_generation, reserved_generation) > 1;
