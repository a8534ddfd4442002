-- A session ends 90 days after its sign-in, however often its tokens were refreshed: tokens that were issued before
-- that rule expire by it, too.
UPDATE refresh_tokens SET expires_at = session_started_at + interval '90 days'
WHERE expires_at > session_started_at + interval '90 days';
