//! Failed sign-in attempts by account and by IP address.

use chrono::{DateTime, TimeDelta, Utc};
use sqlx::PgConnection;

use crate::DbError;

/// What failed attempts are counted for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Subject {
    key: String,
    /// Failures before the first delay.
    free: i32,
}

impl Subject {
    /// The account with this username, which need not exist. Allows more failures than
    /// [`Self::account_at`], so that a single address cannot lock an account for everyone.
    pub fn account(username: &str) -> Self {
        Self { key: format!("account:{}", username.to_ascii_lowercase()), free: 50 }
    }

    /// An account as used from one IP address.
    pub fn account_at(username: &str, ip_address: &str) -> Self {
        Self { key: format!("account:{}@{ip_address}", username.to_ascii_lowercase()), free: 5 }
    }

    /// An IP address. It may be shared by many users, so it allows more failures.
    pub fn address(ip_address: &str) -> Self {
        Self { key: format!("address:{ip_address}"), free: 50 }
    }
}

/// Whether a sign-in attempt may proceed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LoginDecision {
    /// It may; it counts as failed until [`LoginAttempts::forgive`] is called.
    Allowed,
    /// It must wait this long; it was not counted.
    Wait(TimeDelta),
}

/// Counts failed attempts. Each failure above the free ones doubles the delay, up to 15 minutes. Every 15
/// minutes without a failure halve the count, so no account stays locked.
#[derive(Debug)]
pub struct LoginAttempts<'c> {
    connection: &'c mut PgConnection,
}

impl<'c> LoginAttempts<'c> {
    pub(crate) fn new(connection: &'c mut PgConnection) -> Self {
        Self { connection }
    }

    /// Counts an attempt as failed before its password is checked, so that concurrent attempts are all
    /// counted. Call [`Self::forgive`] if the password is correct.
    pub async fn admit(&mut self, subject: &Subject, now: DateTime<Utc>) -> Result<LoginDecision, DbError> {
        let admitted = sqlx::query_scalar!(
            "INSERT INTO login_attempts AS known (subject, failures, last_failure_at)
            VALUES ($1, 1, $3)
            ON CONFLICT (subject) DO UPDATE SET
                failures = 1 + (known.failures >> least(30, greatest(0,
                    extract(epoch FROM $3 - known.last_failure_at)::bigint / 900))::int),
                last_failure_at = $3
            WHERE known.failures < $2
                OR known.last_failure_at
                    + make_interval(secs => least(900, 2 ^ least(20, known.failures - $2))) <= $3
            RETURNING failures",
            subject.key,
            subject.free,
            now,
        )
        .fetch_optional(&mut *self.connection)
        .await?;
        if admitted.is_some() {
            return Ok(LoginDecision::Allowed);
        }
        let until = sqlx::query_scalar!(
            r#"SELECT last_failure_at + make_interval(secs => least(900, 2 ^ least(20, greatest(0, failures - $2)))) AS "until!"
            FROM login_attempts WHERE subject = $1"#,
            subject.key,
            subject.free,
        )
        .fetch_optional(&mut *self.connection)
        .await?;
        let wait = until.map_or(TimeDelta::zero(), |until| until - now);
        Ok(LoginDecision::Wait(wait.max(TimeDelta::seconds(1))))
    }

    /// Removes a successful attempt from the count.
    pub async fn forgive(&mut self, subject: &Subject) -> Result<(), DbError> {
        sqlx::query!(
            "UPDATE login_attempts SET failures = greatest(0, failures - 1) WHERE subject = $1",
            subject.key,
        )
        .execute(&mut *self.connection)
        .await?;
        Ok(())
    }

    /// Returns whether this account has an unexpired session that signed in from this IP address. Such a
    /// client is not delayed by failures from elsewhere.
    pub async fn knows_address(
        &mut self,
        username: &str,
        ip_address: &str,
        now: DateTime<Utc>,
    ) -> Result<bool, DbError> {
        let known = sqlx::query_scalar!(
            r#"SELECT EXISTS (
                SELECT 1 FROM refresh_tokens JOIN users ON users.id = refresh_tokens.user_id
                WHERE lower(users.username) = lower($1) AND refresh_tokens.ip_address = $2
                    AND refresh_tokens.expires_at > $3
            ) AS "known!""#,
            username,
            ip_address,
            now,
        )
        .fetch_one(&mut *self.connection)
        .await?;
        Ok(known)
    }

    /// Deletes counts without a failure since this time, at most `limit`. Returns how many.
    pub async fn delete_older(&mut self, before: DateTime<Utc>, limit: i64) -> Result<u64, DbError> {
        let done = sqlx::query!(
            "DELETE FROM login_attempts WHERE subject IN (
                SELECT subject FROM login_attempts WHERE last_failure_at < $1 LIMIT $2
                FOR UPDATE SKIP LOCKED
            )",
            before,
            limit,
        )
        .execute(&mut *self.connection)
        .await?;
        Ok(done.rows_affected())
    }
}

#[cfg(test)]
mod tests {
    use sqlx::PgPool;

    use super::*;
    use crate::Db;

    async fn admit(db: &Db, now: DateTime<Utc>) -> LoginDecision {
        let mut connection = db.connection().await.unwrap();
        connection.login_attempts().admit(&Subject::account_at("Ada", "192.0.2.1"), now).await.unwrap()
    }

    #[sqlx::test(migrator = "crate::MIGRATOR")]
    async fn delays_double_after_five_failures_up_to_fifteen_minutes(pool: PgPool) {
        let db = Db::from_pool(pool);
        let mut now = DateTime::from_timestamp(1_800_000_000, 0).unwrap();
        for _ in 0..5 {
            assert_eq!(admit(&db, now).await, LoginDecision::Allowed);
        }
        for seconds in [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 900] {
            assert_eq!(admit(&db, now).await, LoginDecision::Wait(TimeDelta::seconds(seconds)));
            now += TimeDelta::seconds(seconds);
            assert_eq!(admit(&db, now).await, LoginDecision::Allowed);
        }
        // The last delay was 15 minutes, which halved the 15 failures before one more was counted.
        assert_eq!(admit(&db, now).await, LoginDecision::Wait(TimeDelta::seconds(8)));
    }

    #[sqlx::test(migrator = "crate::MIGRATOR")]
    async fn correct_password_removes_its_count(pool: PgPool) {
        let db = Db::from_pool(pool);
        let now = DateTime::from_timestamp(1_800_000_000, 0).unwrap();
        for _ in 0..20 {
            assert_eq!(admit(&db, now).await, LoginDecision::Allowed);
            let mut connection = db.connection().await.unwrap();
            connection.login_attempts().forgive(&Subject::account_at("ada", "192.0.2.1")).await.unwrap();
        }
    }

    #[sqlx::test(migrator = "crate::MIGRATOR")]
    async fn concurrent_attempts_are_all_counted(pool: PgPool) {
        let db = Db::from_pool(pool);
        let now = DateTime::from_timestamp(1_800_000_000, 0).unwrap();
        let tasks: Vec<_> = (0..20)
            .map(|_| {
                let db = db.clone();
                tokio::spawn(async move { admit(&db, now).await })
            })
            .collect();
        let mut admitted = 0;
        for task in tasks {
            admitted += usize::from(task.await.unwrap() == LoginDecision::Allowed);
        }
        assert_eq!(admitted, 5);
    }
}
