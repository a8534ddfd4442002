//! The routes of the API function over a real PostgreSQL. Nothing here reaches SQS or Qdrant: what
//! happens when they do not answer is part of what is tested. The running stack has the journeys.

#[cfg(test)]
mod accounts;
#[cfg(test)]
mod administration;
#[cfg(test)]
mod api_keys;
#[cfg(test)]
mod audit_log;
#[cfg(test)]
mod audited_changes;
#[cfg(test)]
mod chunking;
mod chunks;
#[cfg(test)]
mod collection_lists;
#[cfg(test)]
mod collection_updates;
#[cfg(test)]
mod collections;
#[cfg(test)]
mod concurrency;
#[cfg(test)]
mod connectors;
#[cfg(test)]
mod description;
mod disclosure;
#[cfg(test)]
mod docs;
#[cfg(test)]
mod document_lifecycle;
#[cfg(test)]
mod document_lists;
#[cfg(test)]
mod documents;
#[cfg(test)]
mod guards;
#[cfg(test)]
mod harness;
#[cfg(test)]
mod limits;
#[cfg(test)]
mod mcp_profiles;
#[cfg(test)]
mod operation_cancel;
#[cfg(test)]
mod operations;
#[cfg(test)]
mod ownership;
#[cfg(test)]
mod permission_walk;
#[cfg(test)]
mod permissions;
#[cfg(test)]
mod preferences;
#[cfg(test)]
mod reindex;
#[cfg(test)]
mod sessions;
#[cfg(test)]
mod source_secrets;
#[cfg(test)]
mod sources;
#[cfg(test)]
mod statement_counts;
#[cfg(test)]
mod sync;
#[cfg(test)]
mod uploads;
