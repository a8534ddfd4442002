INSERT INTO users (username, email, hashed_password)
SELECT 'namesake', email, 'x' FROM users ORDER BY id LIMIT 1;
