-- $1 operation.
--
-- Lock order: collection, then operation.
WITH locked AS MATERIALIZED (
    SELECT c.id
    FROM operations o
    JOIN collections c ON c.id = o.collection_id
    WHERE o.uuid = $1 AND o.status = 'pending'
    FOR NO KEY UPDATE OF c
),
claimed AS (
    UPDATE operations o
    SET status = 'processing', started_at = now(), updated_at = now(), dispatched_at = now()
    FROM locked
    WHERE o.uuid = $1
        AND o.collection_id = locked.id
        AND o.status = 'pending'
        AND NOT EXISTS (
            SELECT FROM operations other
            WHERE other.collection_id = o.collection_id
                AND other.id <> o.id
                AND (other.status = 'processing' OR (other.status = 'pending' AND other.id < o.id))
        )
    RETURNING o.collection_id, o.source_id, o.type
),
collection AS (
    -- A new collection stays pending until its index operation has created its index.
    UPDATE collections
    SET status = 'processing', status_message = NULL, updated_at = now()
    FROM claimed
    WHERE collections.id = claimed.collection_id AND claimed.type <> 'index'
),
source AS (
    UPDATE collection_sources
    SET last_run_started_at = now(), last_run_status = 'running', updated_at = now()
    FROM claimed
    WHERE collection_sources.id = claimed.source_id
)
SELECT count(*) = 1 AS "is_claimed!" FROM claimed
