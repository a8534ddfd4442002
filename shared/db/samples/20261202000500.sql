INSERT INTO dispatch_windows (operation_id, max_items, ready_item_id)
SELECT id, 100, 7 FROM operations LIMIT 1;
