-- $1 collection. Usage of the collection and of all its owner's collections, and the announced uploads that
-- have not arrived, unless their announcers lost access. An upload that replaces a document counts in full: both
-- versions are held until the older one is erased.
WITH expected AS (
    SELECT u.collection_id, u.uri, max(u.size_bytes) AS size_bytes
    FROM collections c
    JOIN collections others ON others.owner_id = c.owner_id AND others.deleted_at IS NULL
    JOIN open_uploads u ON u.collection_id = others.id
    WHERE c.id = $1
    GROUP BY u.collection_id, u.uri
),
added AS (
    SELECT
        expected.collection_id,
        d.held_bytes IS NULL AS is_new,
        expected.size_bytes AS bytes
    FROM expected
    LEFT JOIN documents d
        ON d.collection_id = expected.collection_id AND d.uri = expected.uri AND d.held_bytes IS NOT NULL
)
SELECT
    coalesce(l.used_documents, 0) AS "documents!",
    coalesce(l.used_bytes, 0) AS "bytes!",
    (SELECT count(*) FROM added WHERE added.collection_id = $1 AND is_new) AS "expected_documents!",
    (SELECT coalesce(sum(bytes), 0)::bigint FROM added WHERE added.collection_id = $1) AS "expected_bytes!",
    (
        SELECT coalesce(sum(held.used_bytes), 0)::bigint
        FROM collections others
        JOIN collection_resource_limits held ON held.collection_id = others.id
        WHERE others.owner_id = c.owner_id AND others.deleted_at IS NULL
    ) AS "owner_bytes!",
    (SELECT coalesce(sum(bytes), 0)::bigint FROM added) AS "owner_expected_bytes!"
FROM collections c
LEFT JOIN collection_resource_limits l ON l.collection_id = c.id
WHERE c.id = $1
