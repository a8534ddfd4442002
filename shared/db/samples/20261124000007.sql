INSERT INTO collection_sync_runs (collection_id, triggered_by, user_id, status, completed_at, expected_sources)
SELECT id, 'manual', owner_id, 'cancelled', now(), 1 FROM collections;
UPDATE operations SET sync_run_id = runs.id
FROM collection_sync_runs runs WHERE runs.collection_id = operations.collection_id AND runs.status = 'running';
UPDATE collections SET sync_last_run_started_at = now(), sync_last_run_status = 'running';
