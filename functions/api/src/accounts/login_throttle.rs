//! Throttles failed sign-ins per account and IP address.

use chrono::{DateTime, TimeDelta, Utc};
use db::accounts::{LoginDecision, Subject};
use db::{Db, DbError, Tx};
use domain::ErrorKind;
use http::{HeaderValue, header};
use lambda::http::{ApiError, ClientInfo};

/// An admitted attempt. It counts as failed until [`Attempt::succeeded`] is called.
#[derive(Debug)]
pub(crate) struct Attempt {
    subjects: Vec<Subject>,
}

impl Attempt {
    /// Removes the failure that was counted in advance.
    pub(crate) async fn succeeded(&self, tx: &mut Tx) -> Result<(), DbError> {
        for subject in &self.subjects {
            tx.login_attempts().forgive(subject).await?;
        }
        Ok(())
    }
}

/// Counts an attempt as failed, for the account and for the IP address.
///
/// # Errors
/// Returns `Throttled` with `Retry-After` if the account or the IP address must wait.
pub(crate) async fn admit(
    db: &Db,
    username: &str,
    client: &ClientInfo,
    now: DateTime<Utc>,
) -> Result<Attempt, ApiError> {
    let mut tx = db.begin().await?;
    let ip_address = client.ip_address.as_deref().unwrap_or("unknown");
    // The pair of account and IP address is throttled first, long before the account as a whole.
    let mut subjects = vec![Subject::account_at(username, ip_address)];
    // An IP address that the account has signed in from is exempt from the account-wide throttle, so that
    // attackers elsewhere cannot lock the user out.
    if !tx.login_attempts().knows_address(username, ip_address, now).await? {
        subjects.push(Subject::account(username));
    }
    subjects.push(Subject::address(ip_address));
    for subject in &subjects {
        if let LoginDecision::Wait(wait) = tx.login_attempts().admit(subject, now).await? {
            // Dropping the transaction rolls back the counts of the other subjects.
            return Err(throttled(wait));
        }
    }
    tx.commit().await?;
    Ok(Attempt { subjects })
}

fn throttled(wait: TimeDelta) -> ApiError {
    // Rounded up, so that a retry after exactly that long succeeds.
    let seconds = ((wait.num_milliseconds() + 999) / 1000).max(1);
    ApiError::new(
        ErrorKind::Throttled,
        format!("too many failed sign-in attempts; retry in {seconds} seconds"),
    )
    .with_header(header::RETRY_AFTER, HeaderValue::from(seconds))
}

#[cfg(test)]
mod tests {
    use sqlx::PgPool;

    use super::*;

    fn at(ip_address: &str) -> ClientInfo {
        ClientInfo { ip_address: Some(ip_address.to_owned()), ..ClientInfo::default() }
    }

    #[sqlx::test(migrator = "db::MIGRATOR")]
    async fn guessing_from_one_address_throttles_only_that_address(pool: PgPool) {
        let db = Db::from_pool(pool);
        let start = DateTime::from_timestamp(1_800_000_000, 0).unwrap();
        let (mut now, mut guesses) = (start, 0);
        while now < start + TimeDelta::hours(1) {
            guesses += usize::from(admit(&db, "ada", &at("192.0.2.66"), now).await.is_ok());
            now += TimeDelta::seconds(20);
        }
        assert!((10..30).contains(&guesses), "{guesses} in an hour");
        assert!(admit(&db, "ada", &at("192.0.2.66"), now).await.is_err());
        assert!(admit(&db, "ada", &at("192.0.2.1"), now).await.is_ok());
    }

    #[sqlx::test(migrator = "db::MIGRATOR")]
    async fn many_guessers_cannot_lock_out_an_address_that_signed_in_before(pool: PgPool) {
        sqlx::raw_sql(
            "INSERT INTO users (username, email, hashed_password) VALUES ('ada', 'ada@example.org', 'x');
            INSERT INTO refresh_tokens (user_id, family_id, token_hash, expires_at, ip_address)
            SELECT id, gen_random_uuid(), '', '2030-01-01', '192.0.2.1' FROM users",
        )
        .execute(&pool)
        .await
        .unwrap();
        let db = Db::from_pool(pool);
        let now = DateTime::from_timestamp(1_800_000_000, 0).unwrap();
        for stranger in 0..50 {
            admit(&db, "ada", &at(&format!("198.51.100.{stranger}")), now).await.unwrap();
        }
        let refused = admit(&db, "ada", &at("203.0.113.1"), now).await.unwrap_err();
        assert_eq!(refused.detail(), "too many failed sign-in attempts; retry in 1 seconds");
        admit(&db, "ADA", &at("192.0.2.1"), now).await.unwrap();
        admit(&db, "bob", &at("203.0.113.1"), now).await.unwrap();
    }
}
