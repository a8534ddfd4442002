//! Tests of the routes over a real PostgreSQL. SQS, S3 and Qdrant are unreachable unless a test says
//! otherwise, which is part of what is tested; the journeys cover the running stack. The path of a test file mirrors the URL.

#[cfg(test)]
mod access;
#[cfg(test)]
mod accounts;
#[cfg(test)]
mod admin;
#[cfg(test)]
mod api_keys;
#[cfg(test)]
mod audit;
#[cfg(test)]
mod bounds;
#[cfg(test)]
mod chunking;
#[cfg(test)]
mod collections;
#[cfg(test)]
mod concurrency;
#[cfg(test)]
mod connectors;
#[cfg(test)]
mod documents;
#[cfg(test)]
mod events;
#[cfg(test)]
mod harness;
#[cfg(test)]
mod lock_order;
#[cfg(test)]
mod mcp;
#[cfg(test)]
mod mcp_endpoint;
#[cfg(test)]
mod names;
#[cfg(test)]
mod operations;
#[cfg(test)]
mod permission_walk;
#[cfg(test)]
mod preferences;
#[cfg(test)]
mod push_runs;
#[cfg(test)]
mod quotas;
#[cfg(test)]
mod redaction;
#[cfg(test)]
mod sharing;
#[cfg(test)]
mod source_grants;
#[cfg(test)]
mod sources;
#[cfg(test)]
mod starting_operations;
#[cfg(test)]
mod statement_counts;
#[cfg(test)]
mod storage;
#[cfg(test)]
mod sync;
#[cfg(test)]
mod system;
#[cfg(test)]
mod unknown_fields;
#[cfg(test)]
mod uploads;
#[cfg(test)]
mod webhooks;
