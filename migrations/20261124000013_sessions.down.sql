DROP INDEX idx_refresh_tokens_user_live;
DROP INDEX uq_refresh_tokens_family_live;
ALTER TABLE refresh_tokens DROP COLUMN session_started_at;
