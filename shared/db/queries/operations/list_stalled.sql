-- $1 state, $2 only items after this one, $3 limit; seconds since the last message of an item: $4 if the stage's queue is empty,
-- or NULL, $5 if a later message was handled, or NULL, $6 if no item of the operation has moved.
SELECT i.id, o.uuid AS operation_id, i.batch_count, i.batches_done
FROM operations o
CROSS JOIN LATERAL (
    SELECT max(greatest(f.dispatched_at, f.updated_at)) AS moved_at
    FROM operation_items f
    WHERE f.operation_id = o.id AND f.state IN ('listed', 'staged', 'chunked') AND f.dispatched_at IS NOT NULL
) AS in_flight
-- The item that left the chunk stage last; of those whose chunks are wanted, the one that left embed, too.
LEFT JOIN LATERAL (
    SELECT p.id, p.staged_at, p.chunked_at
    FROM operation_items p
    WHERE p.operation_id = o.id AND p.chunked_at IS NOT NULL
        AND ($1::text <> 'chunked' OR p.state NOT IN ('listed', 'staged', 'chunked'))
    ORDER BY p.chunked_at DESC
    LIMIT 1
) AS passed ON TRUE
JOIN operation_items i
    ON i.operation_id = o.id AND i.state IN ('listed', 'staged', 'chunked') AND i.dispatched_at IS NOT NULL
WHERE o.status = 'processing'
    AND i.state = $1::text::item_state
    AND i.id > $2
    -- A file inside a document is staged when that is read; the message is about that one.
    AND (i.state <> 'listed' OR i.container_id IS NULL OR i.is_removal)
    AND (
        greatest(i.dispatched_at, i.updated_at) < now() - make_interval(secs => $4)
        OR (
            greatest(i.dispatched_at, i.updated_at) < now() - make_interval(secs => $5)
            AND CASE i.state
                -- Items are sent in the order of their ids.
                WHEN 'listed' THEN passed.id > i.id AND passed.staged_at > greatest(i.dispatched_at, i.updated_at)
                WHEN 'staged' THEN passed.staged_at > greatest(i.dispatched_at, i.updated_at)
                ELSE passed.chunked_at > greatest(i.dispatched_at, i.updated_at)
            END
        )
        OR in_flight.moved_at < now() - make_interval(secs => $6)
    )
ORDER BY i.id
LIMIT $3
