UPDATE uploads SET attributes = '{"topic": "tides", "year": 2024, "draft": false}';
UPDATE operation_items SET attributes = '{}';
UPDATE documents SET attributes = '{"topic": "tides"}';
