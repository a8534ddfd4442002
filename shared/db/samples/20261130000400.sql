UPDATE operation_items SET file_path = 'guides/a.md';
