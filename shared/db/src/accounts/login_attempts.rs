//! How often somebody failed to sign in, per account and per address.

use chrono::{DateTime, TimeDelta, Utc};
use sqlx::PgConnection;

use crate::DbError;

/// Whose failures are counted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Subject {
    key: String,
    /// Failures before the first wait.
    free: i32,
}

impl Subject {
    /// The account with this name, which need not exist. One address alone does not fail often
    /// enough to make all others wait: see [`Self::account_at`].
    pub fn account(username: &str) -> Self {
        Self { key: format!("account:{}", username.to_lowercase()), free: 50 }
    }

    /// An account as seen from an address.
    pub fn account_at(username: &str, ip_address: &str) -> Self {
        Self { key: format!("account:{}@{ip_address}", username.to_lowercase()), free: 5 }
    }

    /// A client's address. Many people can share one, so it may fail more often.
    pub fn address(ip_address: &str) -> Self {
        Self { key: format!("address:{ip_address}"), free: 50 }
    }
}

/// Whether an attempt may go on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Admission {
    /// It counts as failed until [`LoginAttempts::forgive`] takes that back.
    Admitted,
    /// Not before that much time has passed; nothing was counted.
    Wait(TimeDelta),
}

/// Counts failures. After the free ones, each doubles the wait, up to 15 minutes; every
/// 15 minutes of silence halve the count, so nobody is locked out for good.
#[derive(Debug)]
pub struct LoginAttempts<'c> {
    connection: &'c mut PgConnection,
}

impl<'c> LoginAttempts<'c> {
    pub(crate) fn new(connection: &'c mut PgConnection) -> Self {
        Self { connection }
    }

    /// Counts an attempt as a failure before its password is looked at, so that simultaneous
    /// attempts cannot share one count. Call [`Self::forgive`] when it turns out right.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn admit(&mut self, subject: &Subject, now: DateTime<Utc>) -> Result<Admission, DbError> {
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
            return Ok(Admission::Admitted);
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
        Ok(Admission::Wait(wait.max(TimeDelta::seconds(1))))
    }

    /// Takes back the count of an attempt that was right.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn forgive(&mut self, subject: &Subject) -> Result<(), DbError> {
        sqlx::query!(
            "UPDATE login_attempts SET failures = greatest(0, failures - 1) WHERE subject = $1",
            subject.key,
        )
        .execute(&mut *self.connection)
        .await?;
        Ok(())
    }

    /// Whether this account signed in from this address and that session has not run out: its owner
    /// is not made to wait for what strangers try elsewhere.
    ///
    /// # Errors
    /// When the database does not answer.
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

    /// Forgets counts that had no failure since this moment, `limit` at most. Returns how many.
    ///
    /// # Errors
    /// When the database does not answer.
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

    async fn admit(db: &Db, now: DateTime<Utc>) -> Admission {
        let mut connection = db.connection().await.unwrap();
        connection.login_attempts().admit(&Subject::account_at("Ada", "192.0.2.1"), now).await.unwrap()
    }

    #[sqlx::test(migrator = "crate::MIGRATOR")]
    async fn waits_double_after_five_failures_and_end_at_fifteen_minutes(pool: PgPool) {
        let db = Db::from_pool(pool);
        let mut now = DateTime::from_timestamp(1_800_000_000, 0).unwrap();
        for _ in 0..5 {
            assert_eq!(admit(&db, now).await, Admission::Admitted);
        }
        for seconds in [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 900] {
            assert_eq!(admit(&db, now).await, Admission::Wait(TimeDelta::seconds(seconds)));
            now += TimeDelta::seconds(seconds);
            assert_eq!(admit(&db, now).await, Admission::Admitted);
        }
        // The last wait was fifteen minutes long, which halved the 15 failures before counting one.
        assert_eq!(admit(&db, now).await, Admission::Wait(TimeDelta::seconds(8)));
    }

    #[sqlx::test(migrator = "crate::MIGRATOR")]
    async fn being_right_takes_the_count_back(pool: PgPool) {
        let db = Db::from_pool(pool);
        let now = DateTime::from_timestamp(1_800_000_000, 0).unwrap();
        for _ in 0..20 {
            assert_eq!(admit(&db, now).await, Admission::Admitted);
            let mut connection = db.connection().await.unwrap();
            connection.login_attempts().forgive(&Subject::account_at("ada", "192.0.2.1")).await.unwrap();
        }
    }

    #[sqlx::test(migrator = "crate::MIGRATOR")]
    async fn simultaneous_attempts_share_no_count(pool: PgPool) {
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
            admitted += usize::from(task.await.unwrap() == Admission::Admitted);
        }
        assert_eq!(admitted, 5);
    }
}
