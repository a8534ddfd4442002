INSERT INTO upload_arrivals (collection_id, uri, object_key, etag, sequencer, arrived_at)
SELECT id, 'upload://a.txt', 'uploads/' || id || '/a.txt', 'e', '0055AED6DCD90281E5', now() FROM collections;
