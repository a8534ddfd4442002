//! SQS: chunks to vectors to points in Qdrant.
