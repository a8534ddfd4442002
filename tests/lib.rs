//! User journeys over the running stack, one module each.
//!
//! `scripts/test` starts the stack and runs them. Each creates its own users and collections, so they run
//! concurrently without affecting each other.

#![cfg(test)]

mod accounts;
mod archives;
mod bad_input;
mod chunking;
mod chunks;
mod collection_deletion;
mod command_line;
mod document_lifecycle;
mod documents;
mod embed_job;
mod equal_bytes;
mod erasure;
mod event_payloads;
mod everyday_files;
mod first_light;
mod git_sources;
mod integrity;
mod interrupted_uploads;
mod large_artifacts;
mod large_responses;
mod limits;
mod links;
mod mail_sources;
mod mcp;
mod model_bucket;
mod names;
mod ocr;
mod paging;
mod passages;
mod push;
mod readme;
mod rebuild;
mod redelivery;
mod refusals;
mod reindex;
mod resync_cost;
mod search;
mod secret_rotation;
mod semantik_client;
mod source_removal;
mod sources;
mod sync;
mod uploads;
mod webhooks;
mod websites;
