UPDATE operation_items SET warnings = '[{"code": "encoding_guessed", "message": "read as windows-1252"}]', unknown_chunks = 1;
UPDATE documents SET warnings = '[{"code": "encoding_guessed", "message": "read as windows-1252"}]';
