//! SQS: lists a source, finds what changed, stages raw bytes.
