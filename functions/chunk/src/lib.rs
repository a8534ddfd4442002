//! SQS: raw bytes to text to chunks.
