-- $1 expired before, $2 and $3 announced between, $4 limit.
SELECT u.id
FROM uploads u
WHERE (
        u.status = 'expected'
        AND (
            u.expires_at < $1
            OR u.created_at BETWEEN $2 AND $3
            -- Its announcer has lost access.
            OR (u.expires_at > now() AND NOT EXISTS (SELECT FROM open_uploads o WHERE o.id = u.id))
        )
    )
    OR (
        u.holds_object
        -- Same as in lock_uploads.sql.
        AND NOT EXISTS (
            SELECT FROM operation_items i
            WHERE i.operation_id = u.operation_id
                AND i.uri IN (u.uri, 'upload://' || u.name, 'upload://' || normalize(u.name, NFD))
                AND i.location = u.object_key
                AND (i.state = 'listed' OR (i.state = 'failed' AND i.error_category <> 'permanent'))
        )
    )
ORDER BY u.created_at, u.id
LIMIT $4
