ALTER TABLE idempotency_keys DROP COLUMN unrepeatable_reason;
DROP TABLE request_throttles;
