DROP TABLE collection_audit_log;
