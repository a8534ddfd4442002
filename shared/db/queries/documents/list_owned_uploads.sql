-- $1 collection, $2 keys of objects under uploads/.
--
-- Those of the keys that an announcement, an item or a document still needs.
SELECT object.key AS "key!"
FROM (
    -- The length of 'uploads/', a UUID and a slash.
    SELECT key, 'upload://' || substr(key, 46) AS uri FROM unnest($2::text[]) AS key
) AS object
WHERE EXISTS (SELECT FROM uploads u WHERE u.object_key = object.key AND u.status = 'expected')
    OR EXISTS (
        SELECT FROM operations o
        JOIN operation_items i ON i.operation_id = o.id AND i.uri = object.uri
        WHERE o.collection_id = $1 AND o.status IN ('pending', 'processing')
            AND i.state IN ('listed', 'staged', 'chunked') AND NOT i.is_removal
    )
    OR EXISTS (
        SELECT FROM documents d WHERE d.collection_id = $1 AND d.uri = object.uri AND d.status <> 'deleted'
    )
