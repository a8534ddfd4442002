-- All grants are lost.
DROP TABLE source_grantees;
DROP TABLE source_grants;
