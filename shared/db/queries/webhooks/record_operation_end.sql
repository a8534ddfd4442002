-- $1 an operation that has just ended, $2 how many of its failed documents have a delivery each.
--
-- Inserts a delivery for each event and each webhook that is told of it. Without such webhooks, nothing but the operation,
-- its collection and the indexes of webhooks is read.
WITH ended AS (
    SELECT o.id, o.uuid, o.type::text AS operation_type, o.status::text AS status, o.source_id, o.started_at,
        o.error_message, o.meta -> 'counts' AS counts, o.meta -> 'chunks' AS chunks,
        coalesce((o.meta -> 'counts' ->> 'failed')::bigint, 0) AS failed,
        c.id AS collection_id, c.owner_id, c.status AS collection_status, c.document_count,
        jsonb_build_object('collection_id', c.id, 'collection_name', c.name, 'operation_id', o.uuid) AS ids
    FROM operations o JOIN collections c ON c.id = o.collection_id
    WHERE o.id = $1 AND o.status IN ('completed', 'failed')
),
told AS (
    SELECT w.id, w.events, ended.collection_id
    FROM ended
    JOIN webhooks w ON w.collection_id = ended.collection_id
        OR (w.collection_id IS NULL AND w.user_id = ended.owner_id)
    WHERE w.enabled
),
-- Not correlated, so that no items are read where nobody is told of them.
failed_items AS (
    SELECT i.id, i.document_id, i.uri, i.file_name, i.error_message, i.error_category
    FROM operation_items i
    WHERE i.operation_id = $1 AND i.state = 'failed'
        AND EXISTS (SELECT FROM told WHERE 'document.failed' = ANY (told.events))
    ORDER BY i.id
    LIMIT $2
),
events AS (
    SELECT 'operation.' || status AS event_type, NULL::uuid AS document_id,
        ids || jsonb_build_object(
            'operation_type', operation_type, 'source_id', source_id, 'counts', counts, 'chunks', chunks,
            'reason', error_message
        ) AS data
    FROM ended
    UNION ALL
    SELECT 'document.failed', failed_items.document_id,
        ended.ids || jsonb_build_object(
            'document_id', failed_items.document_id, 'name', failed_items.file_name, 'uri', failed_items.uri,
            'reason', failed_items.error_message, 'category', failed_items.error_category
        )
    FROM failed_items CROSS JOIN ended
    UNION ALL
    SELECT 'document.failed', NULL,
        ids || jsonb_build_object('failed_documents', failed, 'not_listed', failed - $2)
    FROM ended WHERE failed > $2
    UNION ALL
    SELECT 'collection.degraded', NULL,
        ids || jsonb_build_object('failed_documents', failed, 'documents', document_count)
    FROM ended WHERE collection_status = 'degraded' AND failed > 0
    UNION ALL
    SELECT 'source.failed', NULL,
        ended.ids || jsonb_build_object(
            'source_id', s.id, 'source_type', s.source_type, 'source_path', s.source_path,
            'failures', coalesce(f.failures, 1), 'reason', ended.error_message
        )
    FROM ended
    JOIN collection_sources s ON s.id = ended.source_id AND s.source_type NOT IN ('upload', 'push')
    LEFT JOIN source_failures f ON f.source_id = s.id
    WHERE ended.status = 'failed' AND ended.operation_type = 'append' AND ended.started_at IS NOT NULL
)
INSERT INTO webhook_deliveries (id, webhook_id, collection_id, document_id, event_type, payload)
SELECT gen_random_uuid(), told.id, told.collection_id, events.document_id, events.event_type,
    jsonb_build_object('type', events.event_type, 'timestamp', now(), 'data', events.data)
FROM events JOIN told ON events.event_type = ANY (told.events)
