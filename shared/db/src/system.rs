//! Settings that superusers change at run time.

use chrono::{DateTime, Utc};
use domain::UserId;
use serde_json::Value;
use sqlx::PgConnection;

use crate::DbError;

const REGISTRATION_OPEN: &str = "registration_open";

/// All settings that were ever changed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Settings {
    /// Whether anyone may register an account; `None` leaves it to the deployment.
    pub registration_open: Option<bool>,
    /// When a setting was last changed.
    pub updated_at: Option<DateTime<Utc>>,
    /// The superuser who changed it.
    pub updated_by: Option<UserId>,
}

/// Reads and changes settings.
#[derive(Debug)]
pub struct SystemSettings<'c> {
    connection: &'c mut PgConnection,
}

impl<'c> SystemSettings<'c> {
    pub(crate) fn new(connection: &'c mut PgConnection) -> Self {
        Self { connection }
    }

    /// Returns all settings.
    pub async fn find(&mut self) -> Result<Settings, DbError> {
        let rows = sqlx::query!(
            "SELECT key, value, updated_at, updated_by FROM system_settings ORDER BY updated_at"
        )
        .fetch_all(&mut *self.connection)
        .await?;
        let mut settings = Settings::default();
        for row in rows {
            // Unknown keys belong to a newer version.
            if row.key == REGISTRATION_OPEN {
                settings.registration_open = Some(boolean(&row.value)?);
                settings.updated_at = Some(row.updated_at);
                settings.updated_by = row.updated_by.map(UserId);
            }
        }
        Ok(settings)
    }

    /// Returns all settings and locks them until the transaction ends.
    pub async fn lock(&mut self) -> Result<Settings, DbError> {
        // Locks the table, because a setting with its default has no row. Readers do not wait.
        sqlx::query!("LOCK TABLE system_settings IN SHARE ROW EXCLUSIVE MODE")
            .execute(&mut *self.connection)
            .await?;
        self.find().await
    }

    /// Opens or closes the registration of accounts.
    pub async fn set_registration_open(
        &mut self,
        is_open: bool,
        updated_by: UserId,
        now: DateTime<Utc>,
    ) -> Result<(), DbError> {
        sqlx::query!(
            "INSERT INTO system_settings (key, value, updated_at, updated_by) VALUES ($1, $2, $3, $4)
            ON CONFLICT (key) DO UPDATE SET value = $2, updated_at = $3, updated_by = $4",
            REGISTRATION_OPEN,
            Value::Bool(is_open),
            now,
            updated_by.0,
        )
        .execute(&mut *self.connection)
        .await?;
        Ok(())
    }
}

fn boolean(value: &Value) -> Result<bool, DbError> {
    value.as_bool().ok_or_else(|| DbError::Inconsistent {
        table: "system_settings",
        column: "value",
        value: value.to_string(),
    })
}

#[cfg(test)]
mod tests {
    use sqlx::PgPool;

    use super::*;
    use crate::Db;

    #[sqlx::test(migrator = "crate::MIGRATOR")]
    async fn settings_are_absent_until_changed(pool: PgPool) {
        sqlx::raw_sql(
            "INSERT INTO users (username, email, hashed_password) VALUES ('ada', 'a@example.org', 'x')",
        )
        .execute(&pool)
        .await
        .unwrap();
        let db = Db::from_pool(pool.clone());
        let mut tx = db.begin().await.unwrap();
        assert_eq!(tx.system_settings().lock().await.unwrap(), Settings::default());
        let now = DateTime::from_timestamp(1_800_000_000, 0).unwrap();
        for is_open in [true, false] {
            tx.system_settings().set_registration_open(is_open, UserId(1), now).await.unwrap();
        }
        tx.commit().await.unwrap();
        let mut connection = db.connection().await.unwrap();
        let closed =
            Settings { registration_open: Some(false), updated_at: Some(now), updated_by: Some(UserId(1)) };
        assert_eq!(connection.system_settings().find().await.unwrap(), closed);

        sqlx::raw_sql("UPDATE system_settings SET value = '\"no\"'").execute(&pool).await.unwrap();
        let error = connection.system_settings().find().await.unwrap_err();
        assert!(error.to_string().starts_with("system_settings.value: unknown value"), "{error}");
    }
}
