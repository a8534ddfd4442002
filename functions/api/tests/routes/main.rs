//! The routes of the API function over a real PostgreSQL. Nothing here reaches SQS or Qdrant: what
//! happens when they do not answer is part of what is tested. The running stack has the journeys.

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
mod mcp;
#[cfg(test)]
mod operations;
#[cfg(test)]
mod permission_walk;
#[cfg(test)]
mod preferences;
#[cfg(test)]
mod quotas;
#[cfg(test)]
mod redaction;
#[cfg(test)]
mod sharing;
#[cfg(test)]
mod sources;
#[cfg(test)]
mod statement_counts;
#[cfg(test)]
mod sync;
#[cfg(test)]
mod system;
#[cfg(test)]
mod uploads;
