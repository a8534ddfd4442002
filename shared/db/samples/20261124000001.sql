INSERT INTO request_throttles (key, drained_at) VALUES ('user:1 GET /api/v2/collections', now());
