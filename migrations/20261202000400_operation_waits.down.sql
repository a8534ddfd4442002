-- Operations do not say what they wait for until their next failed attempt.
DROP TABLE operation_waits;
