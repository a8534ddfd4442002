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

/// One migration of this release.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MigrationStatus {
    /// Its version.
    pub version: i64,
    /// What it is about.
    pub description: String,
    /// Whether the database has it.
    pub is_applied: bool,
}

/// Every migration of this release, oldest first.
///
/// # Errors
/// When the database does not answer.
pub async fn migration_status(db: &Db) -> Result<Vec<MigrationStatus>, DbError> {
    let mut connection = db.pool().acquire().await?;
    let applied = applied_versions(&mut connection).await?;
    let ups = MIGRATOR.iter().filter(|migration| migration.migration_type.is_up_migration());
    let status = ups.map(|migration| MigrationStatus {
        version: migration.version,
        description: migration.description.to_string(),
        is_applied: applied.contains(&migration.version),
    });
    Ok(status.collect())
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

#[cfg(test)]
mod tests {
    use std::path::Path;

    use sqlx::PgPool;

    use super::*;

    /// The rows that a migration's own tables should be tried with.
    fn sample(version: i64) -> String {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("samples/{version}.sql"));
        std::fs::read_to_string(&path).unwrap_or_else(|error| {
            panic!("migration {version} needs sample rows in {}: {error}", path.display())
        })
    }

    fn versions() -> Vec<i64> {
        let ups = MIGRATOR.iter().filter(|migration| migration.migration_type.is_up_migration());
        ups.map(|migration| migration.version).collect()
    }

    async fn fill(pool: &PgPool) {
        for version in versions() {
            sqlx::raw_sql(sqlx::AssertSqlSafe(sample(version))).execute(pool).await.unwrap();
        }
    }

    #[sqlx::test(migrations = false)]
    async fn every_migration_goes_up_down_and_up_again_on_rows(pool: PgPool) {
        let db = Db::from_pool(pool.clone());
        let first = migrate(&db).await.unwrap();
        assert_eq!(first.applied, versions());
        fill(&pool).await;

        let mut downwards = versions();
        downwards.reverse();
        for version in downwards {
            undo_to(&db, version - 1).await.unwrap();
        }
        let left: i64 = sqlx::query_scalar(
            "SELECT count(*) FROM pg_class JOIN pg_namespace ON pg_namespace.oid = relnamespace
             WHERE nspname = 'public' AND relname NOT LIKE '_sqlx%'",
        )
        .fetch_one(&pool)
        .await
        .unwrap();
        assert_eq!(left, 0, "the down migrations leave something behind");

        let again = migrate(&db).await.unwrap();
        assert_eq!(again.applied, versions());
        fill(&pool).await;
    }

    #[sqlx::test(migrations = false)]
    async fn migrating_twice_applies_nothing_the_second_time(pool: PgPool) {
        let db = Db::from_pool(pool);
        migrate(&db).await.unwrap();
        let second = migrate(&db).await.unwrap();
        assert_eq!(second.applied, Vec::<i64>::new());
        assert_eq!(second.version, *versions().last().unwrap());
    }

    #[sqlx::test(migrations = false)]
    async fn audit_rows_outlive_their_collection(pool: PgPool) {
        migrate(&Db::from_pool(pool.clone())).await.unwrap();
        fill(&pool).await;
        sqlx::query("DELETE FROM collections").execute(&pool).await.unwrap();
        let (rows, named): (i64, i64) = sqlx::query_as(
            "SELECT count(*), count(collection_name) FROM collection_audit_log WHERE collection_id IS NULL",
        )
        .fetch_one(&pool)
        .await
        .unwrap();
        assert_eq!((rows, named), (2, 2));
    }
}
