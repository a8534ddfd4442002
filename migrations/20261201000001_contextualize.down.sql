-- Which collections want it is lost.
ALTER TABLE collections DROP COLUMN contextualize;
