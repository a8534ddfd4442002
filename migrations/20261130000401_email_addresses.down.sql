-- Of several accounts with one address, the oldest keeps it.
UPDATE users SET email = 'account-' || id || '-' || email
WHERE EXISTS (SELECT FROM users older WHERE lower(older.email) = lower(users.email) AND older.id < users.id);
DROP INDEX idx_users_email;
CREATE UNIQUE INDEX uq_users_email ON users (lower(email));
