DROP TABLE collection_sync_runs;
DROP TABLE operation_metrics;
DROP TABLE operation_items;
DROP TABLE operations;
DROP TYPE item_state;
DROP TYPE operation_status;
DROP TYPE operation_type;
