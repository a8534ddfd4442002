-- $1 operations. Only open ones that wait have a row. An attempt takes a while: until it has failed again or that time is over,
-- the operation still counts as waiting.
SELECT
    o.uuid,
    CASE WHEN behind.is_behind THEN 'another_operation' ELSE w.waiting_for END AS "waiting_for!",
    CASE WHEN NOT behind.is_behind THEN w.error END AS error,
    CASE WHEN NOT behind.is_behind THEN w.next_attempt_at END AS next_attempt_at
FROM operations o
CROSS JOIN LATERAL (
    SELECT o.status = 'pending' AND EXISTS (
        SELECT FROM operations older
        WHERE older.collection_id = o.collection_id AND older.id < o.id AND older.status IN ('pending', 'processing')
    ) AS is_behind
) behind
LEFT JOIN operation_waits w ON w.operation_id = o.id AND w.next_attempt_at > now() - interval '30 s'
WHERE o.uuid = ANY ($1)
    AND o.status IN ('pending', 'processing')
    AND (behind.is_behind OR w.operation_id IS NOT NULL)
