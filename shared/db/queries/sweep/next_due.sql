-- $1 grace of an expired upload, $2 how long a missing event is looked for, $3 delay after a deletion; in seconds.
-- Each part stops at the first row that says "now".
SELECT extract(epoch FROM next.due_at - now())::double precision AS "seconds?"
FROM (
    SELECT CASE
        -- While an operation is open, nothing else matters.
        WHEN EXISTS (SELECT FROM operations WHERE status IN ('pending', 'processing')) THEN now()
        ELSE (
            SELECT min(due_at)
            FROM (
                -- The conditions are those of idx_operation_items_orphaned_points.
                (
                    SELECT now() AS due_at
                    FROM operation_items i
                    WHERE i.points_deleted_at IS NULL AND NOT i.is_reindex AND NOT i.is_removal
                        AND i.generation IS NOT NULL
                        AND CASE
                            WHEN i.state IN ('failed', 'cancelled') THEN i.batch_count IS NOT NULL
                            ELSE i.state IN ('completed', 'skipped', 'duplicate') AND i.generation > 1
                        END
                    LIMIT 1
                )
                UNION ALL
                (SELECT now() FROM collection_sync_runs WHERE status = 'running' LIMIT 1)
                UNION ALL
                (
                    SELECT sync_next_run_at
                    FROM collections
                    WHERE sync_mode = 'continuous' AND sync_paused_at IS NULL AND deleted_at IS NULL
                        AND sync_interval_minutes IS NOT NULL
                    ORDER BY sync_next_run_at
                    LIMIT 1
                )
                UNION ALL
                -- Announced and not uploaded: the event may be missing, or the announcer has lost access.
                (
                    SELECT now()
                    FROM uploads u
                    WHERE u.status = 'expected'
                        AND (
                            u.created_at > now() - make_interval(secs => $2)
                            OR (u.expires_at > now() AND NOT EXISTS (SELECT FROM open_uploads o WHERE o.id = u.id))
                        )
                    LIMIT 1
                )
                UNION ALL
                (
                    SELECT u.expires_at + make_interval(secs => $1)
                    FROM uploads u
                    WHERE u.status = 'expected'
                    ORDER BY u.expires_at
                    LIMIT 1
                )
                UNION ALL
                -- Same as in list_unsettled.sql.
                (
                    SELECT now()
                    FROM uploads u
                    WHERE u.holds_object
                        AND NOT EXISTS (
                            SELECT FROM operation_items i
                            WHERE i.operation_id = u.operation_id
                                AND i.uri IN (u.uri, 'upload://' || u.name, 'upload://' || normalize(u.name, NFD))
                                AND i.location = u.object_key
                                AND (i.state = 'listed' OR (i.state = 'failed' AND i.error_category <> 'permanent'))
                        )
                    LIMIT 1
                )
                UNION ALL
                -- Points of deleted documents, which no operation deletes.
                (
                    SELECT coalesce(d.deleted_at, d.updated_at) + make_interval(secs => $3)
                    FROM documents d
                    JOIN collections c ON c.id = d.collection_id AND c.deleted_at IS NULL
                    WHERE d.status = 'deleted' AND d.chunk_count > 0 AND d.uri IS NOT NULL
                    LIMIT 1
                )
                UNION ALL
                (
                    SELECT greatest(c.deleted_at, max(o.completed_at)) + make_interval(secs => $3)
                    FROM collections c
                    LEFT JOIN operations o ON o.collection_id = c.id
                    WHERE c.deleted_at IS NOT NULL
                    GROUP BY c.id
                )
                UNION ALL
                -- Indexes are dropped twice.
                SELECT CASE
                    WHEN dropped_at IS NULL THEN drop_after
                    WHEN drops = 0 THEN now()
                    ELSE dropped_at + interval '1 hour'
                END
                FROM retired_vector_stores
                UNION ALL
                (SELECT due_at FROM erasures ORDER BY due_at LIMIT 1)
                UNION ALL
                (SELECT next_attempt_at FROM webhook_deliveries WHERE state = 'pending' ORDER BY next_attempt_at LIMIT 1)
            ) AS parts
        )
    END AS due_at
) AS next
