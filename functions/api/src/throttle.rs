//! Slows down guessing: who failed to sign in too often has to wait.

use chrono::{DateTime, TimeDelta, Utc};
use db::login_attempts::{Admission, Subject};
use db::{Db, DbError, Tx};
use domain::ErrorKind;
use http::{HeaderValue, header};
use lambda::http::{ApiError, ClientInfo};

/// An attempt that was let through; it counts as failed until it is forgiven.
#[derive(Debug)]
pub(crate) struct Attempt {
    subjects: Vec<Subject>,
}

impl Attempt {
    /// Takes back what was counted: the password was right.
    pub(crate) async fn forgive(&self, tx: &mut Tx) -> Result<(), DbError> {
        for subject in &self.subjects {
            tx.login_attempts().forgive(subject).await?;
        }
        Ok(())
    }
}

/// Counts an attempt for the account and for the address, or refuses it.
pub(crate) async fn admit(
    db: &Db,
    username: &str,
    client: &ClientInfo,
    now: DateTime<Utc>,
) -> Result<Attempt, ApiError> {
    let mut tx = db.begin().await?;
    let ip_address = client.ip_address.as_deref().unwrap_or("unknown");
    // Who guesses from one address has to wait there, long before anybody else does.
    let mut subjects = vec![Subject::account_at(username, ip_address)];
    // From where the account is in use already, not even many strangers elsewhere can lock it out.
    if !tx.login_attempts().knows_address(username, ip_address, now).await? {
        subjects.push(Subject::account(username));
    }
    subjects.push(Subject::address(ip_address));
    for subject in &subjects {
        if let Admission::Wait(wait) = tx.login_attempts().admit(subject, now).await? {
            // Dropping the transaction takes back what was counted for the other subject.
            return Err(refuse(wait));
        }
    }
    tx.commit().await?;
    Ok(Attempt { subjects })
}

fn refuse(wait: TimeDelta) -> ApiError {
    // Rounded up: who comes back after exactly that long is let in.
    let seconds = ((wait.num_milliseconds() + 999) / 1000).max(1);
    ApiError::new(
        ErrorKind::Throttled,
        format!("too many failed attempts to sign in; try again in {seconds} seconds"),
    )
    .with_header(header::RETRY_AFTER, HeaderValue::from(seconds))
}
