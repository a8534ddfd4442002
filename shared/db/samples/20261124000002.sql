UPDATE collection_audit_log
SET username = users.username, api_key_id = '00000000-0000-0000-0000-000000000009'
FROM users WHERE users.id = collection_audit_log.user_id;
