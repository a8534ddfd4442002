-- Tokens keep their earlier expiry.
SELECT 1;
