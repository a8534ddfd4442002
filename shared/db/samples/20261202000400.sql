INSERT INTO operation_waits (operation_id, waiting_for, error, next_attempt_at)
SELECT id, 'vector_database', 'unavailable', now() FROM operations LIMIT 1;
