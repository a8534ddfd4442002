//! PostgreSQL: the schema, and one repository for each table. The only crate that uses sqlx.
//!
//! [`Db`] is the connection pool. [`Db::begin`] returns a transaction ([`Tx`]), [`Db::connection`] a
//! [`Connection`] for single statements; both give access to all repositories, whose methods run one query
//! each unless they say otherwise. Modules follow the aggregates of the domain: a folder for each, a file
//! for each table or group of methods.
//!
//! Status changes are guarded in SQL (`WHERE status = …`) and return whether they changed a row, so that a
//! repeated call has no effect.
//!
//! Every method returns [`DbError::Unavailable`] if the database cannot be reached; `# Errors` sections
//! name other errors only.

mod config;
mod connect_options;
mod credentials;
mod error;
mod migrations;
mod page;
mod session;

pub mod accounts;
pub mod audit;
pub mod collections;
pub mod documents;
pub mod operations;
pub mod requests;
pub mod sources;
pub mod sweep;
pub mod sync;
pub mod system;
pub mod uploads;
pub mod webhooks;

#[cfg(test)]
mod testing;
#[cfg(test)]
mod tls_tests;

pub use config::DbConfig;
pub use error::DbError;
pub use migrations::{MIGRATOR, MigrationReport, MigrationStatus, migrate, migration_status, undo_to};
pub use page::Page;
pub use session::{Connection, Db, Tx};
