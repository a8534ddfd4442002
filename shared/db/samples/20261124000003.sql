INSERT INTO system_settings (key, value, updated_by)
SELECT 'registration_open', 'false', id FROM users WHERE username = 'ada';
