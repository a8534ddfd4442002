-- Records what operation $1, which has just ended, did and how long each stage took.
INSERT INTO operation_metrics (operation_id, name, value, unit)
SELECT o.id, measured.name, measured.value, measured.unit
FROM operations o
CROSS JOIN LATERAL (
    SELECT
        count(*) FILTER (WHERE i.state = 'completed') AS documents,
        coalesce(sum(i.chunk_count) FILTER (WHERE i.state = 'completed'), 0) AS chunks,
        coalesce(sum(i.reused_chunks) FILTER (WHERE i.state = 'completed'), 0) AS reused_chunks,
        coalesce(sum(i.size_bytes) FILTER (WHERE i.state = 'completed'), 0) AS size_bytes,
        count(i.staged_at) AS read_documents,
        coalesce(sum(i.size_bytes) FILTER (WHERE i.staged_at IS NOT NULL), 0) AS read_bytes,
        max(i.staged_at) AS last_staged_at,
        min(i.staged_at) FILTER (WHERE i.chunked_at IS NOT NULL) AS first_staged_at,
        min(i.chunked_at) AS first_chunked_at,
        max(i.chunked_at) AS last_chunked_at,
        max(i.updated_at) FILTER (WHERE i.state = 'completed') AS last_completed_at
    FROM operation_items i
    WHERE i.operation_id = o.id
) AS work
CROSS JOIN LATERAL (
    VALUES
        ('waiting_seconds', extract(epoch FROM coalesce(o.started_at, o.completed_at) - o.created_at)::float8, 'seconds'),
        ('duration_seconds', extract(epoch FROM o.completed_at - coalesce(o.started_at, o.completed_at))::float8, 'seconds'),
        -- The stages overlap: each is measured from its first document to its last.
        ('listing_seconds', extract(epoch FROM o.scan_finished_at - o.started_at)::float8, 'seconds'),
        ('reading_seconds', extract(epoch FROM work.last_staged_at - o.started_at)::float8, 'seconds'),
        ('chunking_seconds', extract(epoch FROM work.last_chunked_at - work.first_staged_at)::float8, 'seconds'),
        ('embedding_seconds', extract(epoch FROM work.last_completed_at - work.first_chunked_at)::float8, 'seconds'),
        ('read_documents', work.read_documents::float8, 'documents'),
        ('read_bytes', work.read_bytes::float8, 'bytes'),
        ('documents', work.documents::float8, 'documents'),
        ('chunks', work.chunks::float8, 'chunks'),
        ('bytes', work.size_bytes::float8, 'bytes'),
        ('embedded_chunks', (work.chunks - work.reused_chunks)::float8, 'chunks'),
        ('reused_chunks', work.reused_chunks::float8, 'chunks')
) AS measured (name, value, unit)
-- Stages that no document reached are not measured.
WHERE o.id = $1 AND measured.value IS NOT NULL
