//! Slows down guessing: who failed to sign in too often has to wait.

use chrono::{DateTime, TimeDelta, Utc};
use db::Db;
use db::login_attempts::{Admission, Subject};
use domain::ErrorKind;
use http::{HeaderValue, header};
use lambda::http::{ApiError, ClientInfo};

/// An attempt that was let through; it counts as failed until [`Attempt::subjects`] are forgiven.
#[derive(Debug)]
pub(crate) struct Attempt {
    pub subjects: Vec<Subject>,
}

/// Counts an attempt for the account and for the address, or refuses it.
pub(crate) async fn admit(
    db: &Db,
    username: &str,
    client: &ClientInfo,
    now: DateTime<Utc>,
) -> Result<Attempt, ApiError> {
    let mut tx = db.begin().await?;
    let mut subjects = Vec::with_capacity(2);
    match &client.ip_address {
        Some(ip_address) => {
            // From where the account is in use already, strangers elsewhere cannot lock it out.
            let is_known = tx.login_attempts().knows_address(username, ip_address, now).await?;
            subjects.push(if is_known {
                Subject::account_at(username, ip_address)
            } else {
                Subject::account(username)
            });
            subjects.push(Subject::address(ip_address));
        }
        None => subjects.push(Subject::account(username)),
    }
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
