//! SQS: S3 ObjectCreated events become append operations.
