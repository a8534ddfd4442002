-- Storage quotas count the bytes that are held: every row of document_artifacts is an object in raw/ and is deleted
-- with it. Replaced generations count until they are erased, deleted documents until they are purged. Documents are
-- counted as before.
--
-- Nobody changes a document between the recount and the new triggers.
LOCK TABLE documents, document_artifacts IN SHARE ROW EXCLUSIVE MODE;

ALTER TABLE document_artifacts
    -- The document held the same bytes already: a reindex, restore or retry has copied them. They count until the
    -- earlier generation is erased, and are never refused.
    ADD COLUMN is_copy BOOLEAN NOT NULL DEFAULT FALSE;

CREATE OR REPLACE FUNCTION hold_documents(collection UUID, new_documents BIGINT, new_bytes BIGINT) RETURNS VOID
LANGUAGE plpgsql AS $$
DECLARE
    held collection_resource_limits;
    owner BIGINT;
    owner_max_bytes BIGINT;
    owner_bytes BIGINT;
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
            'the collection holds %s of at most %s documents, and this would add %s; delete some, or ask an '
            'administrator for a higher limit',
            held.used_documents - new_documents, held.max_documents, new_documents
        );
    END IF;
    IF new_bytes <= 0 THEN
        RETURN;
    END IF;
    IF held.used_bytes > held.max_storage_bytes THEN
        RAISE EXCEPTION USING ERRCODE = 'LM001', MESSAGE = format(
            'the collection holds %s of at most %s bytes, and this would add %s; purge some documents, or ask an '
            'administrator for a higher limit',
            held.used_bytes - new_bytes, held.max_storage_bytes, new_bytes
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
            'all collections of its owner hold %s of at most %s bytes, and this would add %s; purge some documents, '
            'or ask an administrator for a higher limit',
            owner_bytes - new_bytes, owner_max_bytes, new_bytes
        );
    END IF;
END
$$;

CREATE OR REPLACE FUNCTION count_held_documents() RETURNS TRIGGER
LANGUAGE plpgsql AS $$
BEGIN
    -- In one order, so that two statements over the same collections do not wait for each other.
    IF TG_OP = 'INSERT' THEN
        PERFORM hold_documents(collection_id, count(held_bytes), 0)
        FROM added WHERE held_bytes IS NOT NULL
        GROUP BY collection_id ORDER BY collection_id;
    ELSIF TG_OP = 'DELETE' THEN
        PERFORM hold_documents(collection_id, -count(held_bytes), 0)
        FROM removed WHERE held_bytes IS NOT NULL
        GROUP BY collection_id ORDER BY collection_id;
    ELSE
        PERFORM hold_documents(collection_id, sum(documents)::bigint, 0)
        FROM (
            SELECT collection_id, 1 AS documents FROM added WHERE held_bytes IS NOT NULL
            UNION ALL
            SELECT collection_id, -1 FROM removed WHERE held_bytes IS NOT NULL
        ) AS change
        GROUP BY collection_id
        HAVING sum(documents) <> 0
        ORDER BY collection_id;
    END IF;
    RETURN NULL;
END
$$;

CREATE FUNCTION count_held_artifacts() RETURNS TRIGGER
LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'INSERT' THEN
        INSERT INTO collection_resource_limits AS limits (collection_id, used_bytes)
        SELECT collection_id, sum(size_bytes) FROM added WHERE is_copy
        GROUP BY collection_id ORDER BY collection_id
        ON CONFLICT (collection_id) DO UPDATE SET used_bytes = limits.used_bytes + EXCLUDED.used_bytes;
        PERFORM hold_documents(collection_id, 0, sum(size_bytes)::bigint)
        FROM added WHERE NOT is_copy
        GROUP BY collection_id ORDER BY collection_id;
    ELSIF TG_OP = 'DELETE' THEN
        PERFORM hold_documents(collection_id, 0, -sum(size_bytes)::bigint)
        FROM removed
        GROUP BY collection_id ORDER BY collection_id;
    ELSE
        PERFORM hold_documents(collection_id, 0, sum(bytes)::bigint)
        FROM (
            SELECT collection_id, size_bytes AS bytes FROM added
            UNION ALL
            SELECT collection_id, -size_bytes FROM removed
        ) AS change
        GROUP BY collection_id
        HAVING sum(bytes) <> 0
        ORDER BY collection_id;
    END IF;
    RETURN NULL;
END
$$;

UPDATE collection_resource_limits SET used_bytes = 0;
INSERT INTO collection_resource_limits AS limits (collection_id, used_bytes)
SELECT collection_id, sum(size_bytes) FROM document_artifacts GROUP BY collection_id
ON CONFLICT (collection_id) DO UPDATE SET used_bytes = EXCLUDED.used_bytes;

CREATE TRIGGER document_artifacts_inserted AFTER INSERT ON document_artifacts
    REFERENCING NEW TABLE AS added
    FOR EACH STATEMENT EXECUTE FUNCTION count_held_artifacts();
CREATE TRIGGER document_artifacts_updated AFTER UPDATE ON document_artifacts
    REFERENCING OLD TABLE AS removed NEW TABLE AS added
    FOR EACH STATEMENT EXECUTE FUNCTION count_held_artifacts();
CREATE TRIGGER document_artifacts_deleted AFTER DELETE ON document_artifacts
    REFERENCING OLD TABLE AS removed
    FOR EACH STATEMENT EXECUTE FUNCTION count_held_artifacts();
