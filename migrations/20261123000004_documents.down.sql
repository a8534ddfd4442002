DROP TABLE document_artifacts;
DROP TABLE documents;
DROP TYPE error_category;
DROP TYPE document_status;
