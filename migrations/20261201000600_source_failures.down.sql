-- Every source is read by the next scheduled run.
DROP TABLE source_failures;
