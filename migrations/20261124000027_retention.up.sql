-- What sweep looks for every minute.
CREATE INDEX idx_uploads_settled ON uploads (created_at) WHERE status <> 'expected';
CREATE INDEX idx_login_attempts_last_failure_at ON login_attempts (last_failure_at);
