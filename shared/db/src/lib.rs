//! PostgreSQL: the schema and one repository per table. The only user of sqlx.
//!
//! [`Db`] is the pool. [`Db::begin`] gives a [`Tx`], [`Db::connection`] a [`Connection`] for
//! single statements; both hand out the repositories, which hold one query per method. Changes
//! of status are guarded in SQL and say whether they happened.

mod config;
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
pub mod sync;
pub mod system;
pub mod uploads;

#[cfg(test)]
mod testing;

pub use config::DbConfig;
pub use error::DbError;
pub use migrations::{MIGRATOR, MigrationReport, MigrationStatus, migrate, migration_status, undo_to};
pub use page::Page;
pub use session::{Connection, Db, Tx};
