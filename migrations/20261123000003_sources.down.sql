DROP TABLE connector_secrets;
DROP TABLE collection_sources;
