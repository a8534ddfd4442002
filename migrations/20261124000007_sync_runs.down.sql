ALTER TABLE collections DROP COLUMN sync_last_error;
ALTER TABLE collections DROP COLUMN sync_last_run_status;
ALTER TABLE collections DROP COLUMN sync_last_run_completed_at;
ALTER TABLE collections DROP COLUMN sync_last_run_started_at;

DROP INDEX idx_operations_completed_at;
ALTER TABLE operations DROP COLUMN sync_run_id;

DROP INDEX idx_collection_sync_runs_user_id;
DROP INDEX idx_collection_sync_runs_completed_at;
DROP INDEX uq_collection_sync_runs_one_running;
ALTER TABLE collection_sync_runs DROP COLUMN user_id;
-- The old schema knows no such end.
UPDATE collection_sync_runs SET status = 'failed' WHERE status = 'cancelled';
ALTER TABLE collection_sync_runs DROP CONSTRAINT ck_collection_sync_runs_status;
ALTER TABLE collection_sync_runs ADD CONSTRAINT collection_sync_runs_status_check
    CHECK (status IN ('running', 'success', 'partial', 'failed'));
