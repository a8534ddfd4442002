INSERT INTO retired_vector_stores (name, collection_id, operation_id, replaced_by, settings, drop_after)
SELECT 'old_' || id, id, 1, vector_store_name, '{"chunk_size": 256}', now() + interval '1 day' FROM collections;
-- A row of a collection that was deleted.
INSERT INTO retired_vector_stores (name, collection_id, drop_after, dropped_at)
VALUES ('gone', gen_random_uuid(), now(), now());
