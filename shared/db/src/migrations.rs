//! Schema migrations, embedded in every binary that uses the database.

use sqlx::migrate::{Migrate, Migrator};

use crate::{Db, DbError};

/// All migrations in `migrations/`. One static for the whole program, so that they are embedded once.
pub static MIGRATOR: Migrator = sqlx::migrate!("../../migrations");

/// The result of running the migrations.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MigrationReport {
    /// Versions that this run applied, oldest first.
    pub applied: Vec<i64>,
    /// The schema's version after the run.
    pub version: i64,
    /// Versions that are applied and that this release does not know: those of a newer one, which was rolled back.
    pub unknown: Vec<i64>,
}

/// Applies all pending migrations. Safe to repeat and to run concurrently: a second run waits for the first
/// one's advisory lock.
///
/// Migrations of a newer release stay as they are: they only expand the schema (migrations/README.md), so a release that is
/// rolled back to works with them.
///
/// # Errors
/// Returns [`DbError::Migrate`] if a migration fails, or if an applied one has another text in this release; the ones
/// before it stay applied.
pub async fn migrate(db: &Db) -> Result<MigrationReport, DbError> {
    migrate_with(db, &MIGRATOR).await
}

async fn migrate_with(db: &Db, release: &Migrator) -> Result<MigrationReport, DbError> {
    let mut connection = db.acquire().await?;
    // A run that fails keeps its advisory lock until its session ends.
    connection.close_on_drop();
    let before = applied_versions(&mut connection).await?;
    tolerant(release).run(&mut *connection).await?;
    let after = applied_versions(&mut connection).await?;
    let version = after.last().copied().unwrap_or_default();
    let unknown = after.iter().copied().filter(|version| !release.version_exists(*version)).collect();
    let applied = after.into_iter().filter(|version| !before.contains(version)).collect();
    Ok(MigrationReport { applied, version, unknown })
}

/// The same migrations, of which a database may have more.
fn tolerant(release: &Migrator) -> Migrator {
    let mut tolerant = Migrator::with_migrations(release.iter().cloned().collect());
    tolerant.set_ignore_missing(true);
    tolerant
}

/// A migration of this release and whether it is applied.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MigrationStatus {
    /// The version, the number at the start of its file name.
    pub version: i64,
    /// The description, from its file name.
    pub description: String,
    /// Whether it is applied to this database.
    pub is_applied: bool,
}

/// Returns every migration of this release, oldest first.
pub async fn migration_status(db: &Db) -> Result<Vec<MigrationStatus>, DbError> {
    let mut connection = db.acquire().await?;
    let applied = applied_versions(&mut connection).await?;
    let ups = MIGRATOR.iter().filter(|migration| migration.migration_type.is_up_migration());
    let status = ups.map(|migration| MigrationStatus {
        version: migration.version,
        description: migration.description.to_string(),
        is_applied: applied.contains(&migration.version),
    });
    Ok(status.collect())
}

/// Reverts every migration newer than `version`, newest first; 0 reverts all of them.
///
/// # Errors
/// Returns [`DbError::Migrate`] if a migration cannot be reverted, or if the schema is that of a newer release, which
/// alone knows how to revert it.
pub async fn undo_to(db: &Db, version: i64) -> Result<(), DbError> {
    let mut connection = db.acquire().await?;
    connection.close_on_drop();
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
    use sqlx::migrate::{MigrateError, Migration};

    use super::*;

    /// Returns the sample rows that a migration's tables are tested with.
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
    async fn every_migration_applies_reverts_and_reapplies_with_rows(pool: PgPool) {
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
        assert_eq!(left, 0, "the down migrations leave objects behind");

        let again = migrate(&db).await.unwrap();
        assert_eq!(again.applied, versions());
        fill(&pool).await;
    }

    #[sqlx::test(migrations = false)]
    async fn second_migration_run_applies_nothing(pool: PgPool) {
        let db = Db::from_pool(pool);
        migrate(&db).await.unwrap();
        let second = migrate(&db).await.unwrap();
        assert_eq!(second.applied, Vec::<i64>::new());
        assert_eq!(second.version, *versions().last().unwrap());
    }

    /// The release before this one: without the newest migration, but with an older one edited if `is_edited`.
    fn older_release(is_edited: bool) -> (Migrator, i64) {
        let newest = *versions().last().unwrap();
        let mut known: Vec<Migration> = MIGRATOR.iter().filter(|m| m.version < newest).cloned().collect();
        if is_edited {
            let first = known.iter_mut().find(|m| m.migration_type.is_up_migration()).unwrap();
            first.checksum = vec![0; 48].into();
        }
        (Migrator::with_migrations(known), newest)
    }

    #[sqlx::test(migrations = false)]
    async fn a_release_that_is_rolled_back_to_accepts_the_newer_schema(pool: PgPool) {
        let db = Db::from_pool(pool.clone());
        migrate(&db).await.unwrap();
        fill(&pool).await;
        let (older, newest) = older_release(false);
        let report = migrate_with(&db, &older).await.unwrap();
        assert_eq!(report, MigrationReport { applied: vec![], version: newest, unknown: vec![newest] });
        assert_eq!(migrate(&db).await.unwrap().unknown, Vec::<i64>::new());

        // A migration that was edited is an error nevertheless, and leaves no lock behind.
        for _ in 0..2 {
            let refused = migrate_with(&db, &older_release(true).0).await.unwrap_err();
            assert!(matches!(&refused, DbError::Migrate(MigrateError::VersionMismatch(_))), "{refused:?}");
        }
        migrate(&db).await.unwrap();
    }

    #[sqlx::test(migrations = false)]
    async fn names_that_become_equal_do_not_break_their_normalisation(pool: PgPool) {
        let db = Db::from_pool(pool.clone());
        migrate(&db).await.unwrap();
        undo_to(&db, 20_261_130_000_499).await.unwrap();
        let collections =
            "INSERT INTO collections (id, name, owner_id, vector_store_name, embedding_model, chunk_size,
                chunk_overlap, created_at)
            SELECT gen_random_uuid(), $1, 1, $2, 'm', 256, 51, now() + $3 * interval '1 s'";
        sqlx::query(
            "INSERT INTO users (username, email, hashed_password) VALUES ('ada', 'ada@example.org', 'x')",
        )
        .execute(&pool)
        .await
        .unwrap();
        let before = [
            "u\u{308}",
            // The other spelling has the name already.
            "cafe\u{301}",
            "caf\u{e9}",
            // Both change; the older one gets the name.
            "o\u{302}\u{323}",
            "o\u{323}\u{302}",
        ];
        for (number, name) in (0_i32..).zip(before) {
            let query = sqlx::query(collections).bind(name).bind(format!("v{number}")).bind(number);
            query.execute(&pool).await.unwrap();
        }
        sqlx::query(
            "INSERT INTO documents (id, collection_id, uri, file_path, file_name, file_size)
            SELECT gen_random_uuid(), id, $1, $1, $1, 1 FROM collections WHERE vector_store_name = 'v0'",
        )
        .bind("cafe\u{301}.txt")
        .execute(&pool)
        .await
        .unwrap();
        migrate(&db).await.unwrap();
        let after: Vec<String> = sqlx::query_scalar("SELECT name FROM collections ORDER BY created_at")
            .fetch_all(&pool)
            .await
            .unwrap();
        assert_eq!(after, ["\u{fc}", "cafe\u{301}", "caf\u{e9}", "\u{1ed9}", "o\u{323}\u{302}"]);
        let document: (String, String, String) =
            sqlx::query_as("SELECT uri, file_path, file_name FROM documents").fetch_one(&pool).await.unwrap();
        let [uri, composed] = ["cafe\u{301}.txt", "caf\u{e9}.txt"].map(str::to_owned);
        assert_eq!(document, (uri, composed.clone(), composed), "the URI stays: the id is made of it");
    }

    #[sqlx::test(migrations = false)]
    async fn audit_entries_survive_their_collection(pool: PgPool) {
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
