-- $1 document, $2 the newest generation that was erased.
--
-- Turns a document whose objects and points are erased into a tombstone, and removes its names and messages wherever
-- they were recorded. Nothing happens if the document has come back meanwhile.
WITH document AS (
    SELECT * FROM documents
    WHERE id = $1
        AND status = 'deleted'
        AND purge_requested_at IS NOT NULL
        AND purged_at IS NULL
        AND greatest(generation, last_generation, reserved_generation) = $2
    FOR UPDATE
),
tombstone AS (
    UPDATE documents d
    SET purged_at = now(),
        uri = purged_uri(d.collection_id, d.uri),
        file_path = '',
        file_name = '',
        file_size = 0,
        staged_size = NULL,
        mime_type = NULL,
        content_hash = NULL,
        change_hint = NULL,
        duplicate_of = NULL,
        chunk_count = 0,
        error_message = NULL,
        meta = '{}',
        source_metadata = '{}',
        attributes = '{}',
        url = NULL,
        title = NULL,
        -- No later version takes vectors from it.
        generation = 0,
        updated_at = now()
    FROM document
    WHERE d.id = document.id
),
pages AS (
    DELETE FROM source_pages p USING document WHERE p.source_id = document.source_id AND p.url = document.uri
),
artifacts AS (
    DELETE FROM document_artifacts a USING document WHERE a.document_id = document.id
),
items AS (
    UPDATE operation_items i
    SET uri = CASE
            WHEN i.uri = document.uri THEN purged_uri(document.collection_id, document.uri)
            ELSE 'purged:' || i.id
        END,
        location = '',
        file_name = '',
        file_path = NULL,
        mime_type = NULL,
        change_hint = NULL,
        content_hash = NULL,
        attributes = NULL,
        url = NULL,
        title = NULL,
        error_message = CASE WHEN i.error_message IS NOT NULL THEN 'the document was purged' END
    FROM document
    WHERE i.document_id = document.id
        OR (
            i.document_id IS NULL
            AND i.uri = document.uri
            AND i.operation_id IN (SELECT o.id FROM operations o WHERE o.collection_id = document.collection_id)
        )
        -- Files inside it that never became documents.
        OR (i.document_id IS NULL AND i.container_id = document.id)
),
-- An announcement that is still open stays: what arrives for it is a new document.
uploads AS (
    DELETE FROM uploads u USING document
    WHERE u.collection_id = document.collection_id
        AND (
            u.uri = document.uri
            OR (
                u.uri IS NULL
                AND starts_with(document.uri, 'upload://')
                AND u.name IN (substr(document.uri, 10), normalize(substr(document.uri, 10), NFC))
            )
        )
        AND u.status <> 'expected'
),
runs AS (
    DELETE FROM push_run_documents named USING document, push_runs r
    WHERE r.collection_id = document.collection_id AND named.run_id = r.id AND named.uri = document.uri
),
-- The tombstone says since when an event about its file is stale.
arrivals AS (
    DELETE FROM upload_arrivals a USING document
    WHERE a.collection_id = document.collection_id AND a.uri = document.uri
),
-- A failed reindex names the document that it failed for.
reindexes AS (
    UPDATE operations o
    SET error_message = replace(o.error_message, 'the first is ' || document.file_path, 'the first is a purged document')
    FROM document
    WHERE o.collection_id = document.collection_id
        AND o.type = 'reindex'
        AND strpos(o.error_message, 'the first is ' || document.file_path) > 0
),
collection AS (
    UPDATE collections c
    SET status_message = replace(c.status_message, 'the first is ' || document.file_path, 'the first is a purged document')
    FROM document
    WHERE c.id = document.collection_id AND strpos(c.status_message, 'the first is ' || document.file_path) > 0
),
-- Webhooks may have been told of it. What is still to be sent is sent without its name.
deliveries AS (
    UPDATE webhook_deliveries d
    SET payload = jsonb_set(
        d.payload, '{data}',
        (d.payload -> 'data') - 'name' - 'uri' || '{"reason": "the document was purged"}'::jsonb
    )
    FROM document
    WHERE d.document_id = document.id
        OR (
            d.collection_id = document.collection_id
            AND (
                d.payload #>> '{data,uri}' = document.uri
                OR strpos(d.payload #>> '{data,reason}', 'the first is ' || document.file_path) > 0
            )
        )
),
audited AS (
    UPDATE collection_audit_log a SET details = a.details - 'uri'
    FROM document
    WHERE a.details ->> 'document_id' = document.id::text AND a.details ? 'document_id' AND a.details ? 'uri'
),
-- Responses that are kept for a day for repeated requests.
responses AS (
    DELETE FROM idempotency_keys k USING document
    WHERE document.purge_user_id IS NOT NULL
        AND starts_with(k.path, '/api/v2/collections/' || document.collection_id)
        AND strpos(k.response_body::text, btrim(to_jsonb(document.file_path)::text, '"')) > 0
),
-- What a stage writes that was at it during the purge is erased later.
again AS (
    INSERT INTO erasures (collection_id, document_id, due_at)
    SELECT document.collection_id, document.id, now() + interval '1 hour' FROM document
),
entry AS (
    INSERT INTO collection_audit_log (collection_id, collection_name, user_id, username, api_key_id, action, details)
    SELECT c.id, c.name, u.id, u.username, document.purge_api_key_id, 'document_purged',
        jsonb_build_object(
            'document_id', document.id,
            'reason', CASE WHEN document.purge_user_id IS NULL THEN 'retention' ELSE 'request' END,
            'requested_at', document.purge_requested_at
        )
    FROM document
    JOIN collections c ON c.id = document.collection_id
    LEFT JOIN users u ON u.id = document.purge_user_id
)
SELECT count(*) = 1 AS "is_purged!" FROM document
