UPDATE operation_items SET staged_at = now(), chunked_at = now();
