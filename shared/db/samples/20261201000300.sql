UPDATE operation_items SET url = 'https://example.org/tides', title = 'Tides';
UPDATE documents SET url = 'https://example.org/tides', title = 'Tides';
