//! PostgreSQL: the schema and one repository per table. The only user of sqlx.
//!
//! [`Db`] is the pool. [`Db::begin`] gives a [`Tx`], [`Db::connection`] a [`Connection`] for
//! single statements; both hand out the repositories, which hold one query per method. Changes
//! of status are guarded in SQL and say whether they happened.

mod collection_access;
mod collection_details;
mod collection_ownership;
mod config;
mod error;
mod failed_documents;
mod migrations;
mod page;
mod session;

pub mod api_keys;
pub mod audit_log;
pub mod chunk_places;
pub mod collection_permissions;
pub mod collection_resource_limits;
pub mod collection_sources;
pub mod collections;
pub mod connector_secrets;
pub mod document_artifacts;
pub mod document_lifecycle;
pub mod documents;
pub mod idempotency_keys;
pub mod item_work;
pub mod login_attempts;
pub mod mcp_profiles;
pub mod operation_ends;
pub mod operation_items;
pub mod operation_metrics;
pub mod operation_runs;
pub mod operations;
pub mod rebuilds;
pub mod refresh_tokens;
pub mod reindexing;
pub mod removals;
pub mod request_throttles;
pub mod retired_vector_stores;
pub mod rollback;
pub mod search_documents;
pub mod sessions;
pub mod staging;
pub mod sync_runs;
pub mod sync_schedule;
pub mod system_settings;
pub mod uploads;
pub mod user_administration;
pub mod user_preferences;
pub mod user_resource_limits;
pub mod users;

#[cfg(test)]
mod pipeline_tests;

pub use config::DbConfig;
pub use error::DbError;
pub use migrations::{MIGRATOR, MigrationReport, MigrationStatus, migrate, migration_status, undo_to};
pub use page::Page;
pub use session::{Connection, Db, Tx};
