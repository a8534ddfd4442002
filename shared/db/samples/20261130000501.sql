INSERT INTO uploads (
    id, collection_id, user_id, name, object_key, size_bytes, content_type, expires_at, status, api_key_id, reason, etag,
    holds_object
)
SELECT
    gen_random_uuid(), collections.id, owner_id, label || '.txt', 'announced/' || collections.id || '/' || label, 5,
    'text/plain', now() + interval '1 hour', label::upload_status, gen_random_uuid(), 'size: not as announced', 'e', TRUE
FROM collections, unnest(ARRAY['expected', 'received', 'refused', 'withdrawn']) AS label;
