UPDATE documents SET file_path = source_metadata ->> 'location'
WHERE source_metadata ->> 'location' IS NOT NULL AND NOT starts_with(coalesce(uri, ''), 'upload://');
ALTER TABLE operation_items DROP COLUMN file_path;
