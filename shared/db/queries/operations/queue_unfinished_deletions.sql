-- $1 minimum age in seconds of the deletion and of its last failure, $2 limit.
--
-- Deleted collections that still exist and have no open operation: the operation that purged them failed.
INSERT INTO operations (uuid, collection_id, user_id, type, config)
SELECT gen_random_uuid(), c.id, c.owner_id, 'delete',
    jsonb_build_object('vector_store_name', c.vector_store_name, 'reason', 'an earlier deletion failed')
FROM collections c
WHERE c.deleted_at < now() - make_interval(secs => $1)
    AND NOT EXISTS (
        SELECT FROM operations o
        WHERE o.collection_id = c.id
            AND (o.status IN ('pending', 'processing') OR o.completed_at > now() - make_interval(secs => $1))
    )
ORDER BY c.deleted_at
LIMIT $2
RETURNING uuid
