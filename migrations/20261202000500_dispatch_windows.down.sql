-- Items that were not sent are found by sweep.
DROP INDEX idx_operation_items_chunked_at;
DROP INDEX idx_operation_items_in_flight;
DROP INDEX idx_operation_items_waiting;
DROP TABLE dispatch_windows;
