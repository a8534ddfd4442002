-- Paths of documents within their source, as users see them: never where the source is on the server.
--
-- The place that a document is read from stays in source_metadata. An item without a path is an upload, or was
-- listed by the previous version, which wrote the absolute path: the next listing of the source corrects it.
ALTER TABLE operation_items ADD COLUMN file_path TEXT;

UPDATE documents SET source_metadata = jsonb_build_object('location', file_path)
WHERE source_metadata ->> 'location' IS NULL AND NOT starts_with(coalesce(uri, ''), 'upload://');

UPDATE documents d
SET file_path = substr(d.file_path, length(folder.prefix) + 1)
FROM collection_sources s
CROSS JOIN LATERAL (SELECT rtrim(s.source_config ->> 'path', '/') || '/' AS prefix) AS folder
WHERE s.id = d.source_id AND s.source_type = 'directory' AND starts_with(d.file_path, folder.prefix);

UPDATE documents d SET file_path = d.file_name
FROM collection_sources s
WHERE s.id = d.source_id AND s.source_type = 'file' AND d.file_path = s.source_config ->> 'path';

UPDATE documents d
SET file_path = coalesce(nullif(ltrim(substr(d.file_path, length(s.source_config ->> 'prefix') + 1), '/'), ''), d.file_name)
FROM collection_sources s
WHERE s.id = d.source_id AND s.source_type = 's3' AND starts_with(d.file_path, s.source_config ->> 'prefix');

-- Documents that were kept when their source was removed: nobody knows the folder any more.
UPDATE documents SET file_path = file_name
WHERE starts_with(file_path, '/') AND (starts_with(uri, 'file://') OR uri IS NULL);
