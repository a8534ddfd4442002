-- Several accounts may have the same email address: no address is verified, and a refusal would tell anybody
-- whether an address has an account here. Grants by address need exactly one account that has it.
DROP INDEX uq_users_email;
CREATE INDEX idx_users_email ON users (lower(email));
