-- $1 collection, $2 keys of announced files.
SELECT u.object_key
FROM uploads u
WHERE u.collection_id = $1 AND u.object_key = ANY ($2) AND (u.status = 'expected' OR u.holds_object)
