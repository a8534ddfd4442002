-- Runs that read a collection's sources again, and how the last one went.

-- Nothing has written any so far that could still end.
UPDATE collection_sync_runs SET status = 'failed', completed_at = now() WHERE status = 'running';
ALTER TABLE collection_sync_runs DROP CONSTRAINT collection_sync_runs_status_check;
ALTER TABLE collection_sync_runs ADD CONSTRAINT ck_collection_sync_runs_status
    CHECK (status IN ('running', 'success', 'partial', 'failed', 'cancelled'));
-- Who asked for it; NULL where the schedule did.
ALTER TABLE collection_sync_runs ADD COLUMN user_id BIGINT REFERENCES users (id) ON DELETE SET NULL;
-- The rule "one run at a time" is here and nowhere else.
CREATE UNIQUE INDEX uq_collection_sync_runs_one_running ON collection_sync_runs (collection_id)
    WHERE status = 'running';
CREATE INDEX idx_collection_sync_runs_completed_at ON collection_sync_runs (completed_at);
CREATE INDEX idx_collection_sync_runs_user_id ON collection_sync_runs (user_id);

-- Which run an operation belongs to. How the run ends follows from how its operations end.
ALTER TABLE operations ADD COLUMN sync_run_id BIGINT REFERENCES collection_sync_runs (id) ON DELETE SET NULL;
CREATE INDEX idx_operations_sync_run_id ON operations (sync_run_id) WHERE sync_run_id IS NOT NULL;
-- What has been over for long is removed.
CREATE INDEX idx_operations_completed_at ON operations (completed_at) WHERE completed_at IS NOT NULL;

ALTER TABLE collections ADD COLUMN sync_last_run_started_at TIMESTAMPTZ;
ALTER TABLE collections ADD COLUMN sync_last_run_completed_at TIMESTAMPTZ;
ALTER TABLE collections ADD COLUMN sync_last_run_status TEXT;
ALTER TABLE collections ADD COLUMN sync_last_error TEXT;
