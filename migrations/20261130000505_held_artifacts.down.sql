-- Bytes are counted by documents again.
LOCK TABLE documents, document_artifacts IN SHARE ROW EXCLUSIVE MODE;
DROP TRIGGER document_artifacts_deleted ON document_artifacts;
DROP TRIGGER document_artifacts_updated ON document_artifacts;
DROP TRIGGER document_artifacts_inserted ON document_artifacts;
DROP FUNCTION count_held_artifacts();
ALTER TABLE document_artifacts DROP COLUMN is_copy;

CREATE OR REPLACE FUNCTION hold_documents(collection UUID, new_documents BIGINT, new_bytes BIGINT) RETURNS VOID
LANGUAGE plpgsql AS $$
DECLARE
    held collection_resource_limits;
    owner BIGINT;
    owner_max_bytes BIGINT;
    owner_bytes BIGINT;
    advice CONSTANT TEXT := 'delete some, or ask an administrator for a higher limit';
BEGIN
    IF new_documents <= 0 AND new_bytes <= 0 THEN
        -- Its row is there: something was counted before.
        UPDATE collection_resource_limits
        SET used_documents = used_documents + new_documents, used_bytes = used_bytes + new_bytes
        WHERE collection_id = collection;
        RETURN;
    END IF;

    INSERT INTO collection_resource_limits AS limits (collection_id, used_documents, used_bytes)
    VALUES (collection, new_documents, new_bytes)
    ON CONFLICT (collection_id) DO UPDATE
    SET used_documents = limits.used_documents + EXCLUDED.used_documents,
        used_bytes = limits.used_bytes + EXCLUDED.used_bytes
    RETURNING * INTO held;
    IF new_documents > 0 AND held.used_documents > held.max_documents THEN
        RAISE EXCEPTION USING ERRCODE = 'LM001', MESSAGE = format(
            'the collection holds %s of at most %s documents, and this would add %s; %s',
            held.used_documents - new_documents, held.max_documents, new_documents, advice
        );
    END IF;
    IF new_bytes <= 0 THEN
        RETURN;
    END IF;
    IF held.used_bytes > held.max_storage_bytes THEN
        RAISE EXCEPTION USING ERRCODE = 'LM001', MESSAGE = format(
            'the collection holds %s of at most %s bytes, and this would add %s; %s',
            held.used_bytes - new_bytes, held.max_storage_bytes, new_bytes, advice
        );
    END IF;

    SELECT owner_id INTO owner FROM collections WHERE id = collection;
    INSERT INTO user_resource_limits (user_id) VALUES (owner) ON CONFLICT (user_id) DO NOTHING;
    SELECT max_storage_bytes INTO owner_max_bytes FROM user_resource_limits WHERE user_id = owner FOR UPDATE;
    -- A statement of its own: it sees what others committed while this one waited.
    SELECT sum(limits.used_bytes) INTO owner_bytes
    FROM collections c JOIN collection_resource_limits limits ON limits.collection_id = c.id
    WHERE c.owner_id = owner AND c.deleted_at IS NULL;
    IF owner_bytes > owner_max_bytes THEN
        RAISE EXCEPTION USING ERRCODE = 'LM001', MESSAGE = format(
            'all collections of its owner hold %s of at most %s bytes, and this would add %s; %s',
            owner_bytes - new_bytes, owner_max_bytes, new_bytes, advice
        );
    END IF;
END
$$;

CREATE OR REPLACE FUNCTION count_held_documents() RETURNS TRIGGER
LANGUAGE plpgsql AS $$
BEGIN
    -- In one order, so that two statements over the same collections do not wait for each other.
    IF TG_OP = 'INSERT' THEN
        PERFORM hold_documents(collection_id, count(held_bytes), coalesce(sum(held_bytes), 0)::bigint)
        FROM added WHERE held_bytes IS NOT NULL
        GROUP BY collection_id ORDER BY collection_id;
    ELSIF TG_OP = 'DELETE' THEN
        PERFORM hold_documents(collection_id, -count(held_bytes), -coalesce(sum(held_bytes), 0)::bigint)
        FROM removed WHERE held_bytes IS NOT NULL
        GROUP BY collection_id ORDER BY collection_id;
    ELSE
        PERFORM hold_documents(collection_id, sum(documents)::bigint, sum(bytes)::bigint)
        FROM (
            SELECT collection_id, 1 AS documents, held_bytes AS bytes FROM added WHERE held_bytes IS NOT NULL
            UNION ALL
            SELECT collection_id, -1, -held_bytes FROM removed WHERE held_bytes IS NOT NULL
        ) AS change
        GROUP BY collection_id
        HAVING sum(documents) <> 0 OR sum(bytes) <> 0
        ORDER BY collection_id;
    END IF;
    RETURN NULL;
END
$$;

UPDATE collection_resource_limits SET used_documents = 0, used_bytes = 0;
INSERT INTO collection_resource_limits (collection_id, used_documents, used_bytes)
SELECT collection_id, count(held_bytes), coalesce(sum(held_bytes), 0)
FROM documents
GROUP BY collection_id
ON CONFLICT (collection_id) DO UPDATE
SET used_documents = EXCLUDED.used_documents, used_bytes = EXCLUDED.used_bytes;
