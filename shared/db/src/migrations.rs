//! The schema's history, embedded in every binary that uses the database.

use sqlx::migrate::{Migrate, Migrator};

use crate::{Db, DbError};

/// All migrations in `migrations/`. One static for the whole program, so that they are embedded
/// once.
pub static MIGRATOR: Migrator = sqlx::migrate!("../../migrations");

/// What a run of the migrations found and did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MigrationReport {
    /// Versions applied by this run, oldest first.
    pub applied: Vec<i64>,
    /// The schema's version now.
    pub version: i64,
}

/// Applies what is missing. Safe to repeat and to run twice at once: an advisory lock makes the
/// second run wait.
///
/// # Errors
/// When the database does not answer or a migration fails; what was applied before stays.
pub async fn migrate(db: &Db) -> Result<MigrationReport, DbError> {
    let mut connection = db.pool().acquire().await?;
    let before = applied_versions(&mut connection).await?;
    MIGRATOR.run(&mut *connection).await?;
    let after = applied_versions(&mut connection).await?;
    let version = after.last().copied().unwrap_or_default();
    let applied = after.into_iter().filter(|version| !before.contains(version)).collect();
    Ok(MigrationReport { applied, version })
}

/// Undoes every migration newer than `version`; 0 undoes all.
///
/// # Errors
/// When the database does not answer or a migration cannot be undone.
pub async fn undo_to(db: &Db, version: i64) -> Result<(), DbError> {
    let mut connection = db.pool().acquire().await?;
    MIGRATOR.undo(&mut *connection, version).await?;
    Ok(())
}

async fn applied_versions(connection: &mut sqlx::PgConnection) -> Result<Vec<i64>, DbError> {
    connection.ensure_migrations_table(&MIGRATOR.table_name).await?;
    let applied = connection.list_applied_migrations(&MIGRATOR.table_name).await?;
    Ok(applied.into_iter().map(|migration| migration.version).collect())
}
