-- When collections were checked is lost.
DROP INDEX idx_documents_collection_id;
DROP TABLE integrity_checks;
