//! Sources of documents: directory, file, S3.
