UPDATE operation_items SET points_deleted_at = now() WHERE state NOT IN ('listed', 'staged', 'chunked');
