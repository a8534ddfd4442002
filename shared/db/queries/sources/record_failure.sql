-- $1 an operation that has ended. Counts the failures in a row of the source that it read: after 1, 2, 3, … of them, the
-- schedule waits 15, 30, 60, … minutes, a day at most. A run that was cancelled says nothing.
WITH ended AS (
    SELECT source_id, status FROM operations
    WHERE id = $1 AND type = 'append' AND source_id IS NOT NULL AND started_at IS NOT NULL
        AND status IN ('completed', 'failed')
),
recovered AS (
    DELETE FROM source_failures f USING ended WHERE f.source_id = ended.source_id AND ended.status = 'completed'
)
INSERT INTO source_failures AS f (source_id, failures, not_before)
SELECT s.id, 1, now() + interval '15 minutes'
FROM ended JOIN collection_sources s ON s.id = ended.source_id AND s.source_type NOT IN ('upload', 'push')
WHERE ended.status = 'failed'
ON CONFLICT (source_id) DO UPDATE SET
    failures = f.failures + 1,
    not_before = now() + least(interval '1 day', interval '15 minutes' * 2 ^ least(f.failures, 10))
