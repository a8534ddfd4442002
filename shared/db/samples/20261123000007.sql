INSERT INTO collection_audit_log (collection_id, collection_name, user_id, action, ip_address)
SELECT id, name, owner_id, 'collection_created', '192.0.2.1' FROM collections;
