//! Grants a place on the server's side, as the operator: before there is a superuser, and by scripts.

use clap::Args;
use db::audit::AuditEntry;
use db::sources::NewSourceGrant;
use db::{Db, DbError};
use domain::ServerPlace;
use serde::Deserialize;
use serde_json::json;

/// The place to grant, and to whom.
#[derive(Debug, Clone, Default, Args, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct GrantSource {
    /// A bucket
    #[arg(long, conflicts_with = "directory")]
    bucket: Option<String>,
    /// Only objects below this folder of the bucket
    #[arg(long, requires = "bucket")]
    prefix: Option<String>,
    /// A directory, by its absolute path
    #[arg(long)]
    directory: Option<String>,
    /// The user who may read it
    #[arg(long, conflicts_with = "everyone")]
    username: Option<String>,
    /// Every user may read it
    #[arg(long)]
    everyone: bool,
}

/// Why nothing was granted.
#[derive(Debug, thiserror::Error)]
pub(crate) enum GrantSourceError {
    #[error(transparent)]
    Db(#[from] DbError),
    #[error("exactly one of bucket and directory is required; prefix belongs to a bucket")]
    Place,
    #[error("exactly one of username and everyone is required")]
    Grantee,
    #[error("no account with username {0:?}; register it first")]
    NoSuchUser(String),
}

/// Grants the place and records it in the audit log; changes nothing if it is granted already. Returns a line that
/// says which.
pub(crate) async fn grant_source(db: &Db, request: &GrantSource) -> Result<String, GrantSourceError> {
    let place = match (&request.bucket, &request.directory) {
        (Some(bucket), None) => ServerPlace::folder(bucket, request.prefix.as_deref().unwrap_or_default()),
        (None, Some(path)) if request.prefix.is_none() => ServerPlace::Directory { path: path.clone() },
        _ => return Err(GrantSourceError::Place),
    };
    if request.username.is_some() == request.everyone {
        return Err(GrantSourceError::Grantee);
    }
    let mut tx = db.begin().await?;
    let user_id = match &request.username {
        None => None,
        Some(name) => {
            let user = tx.users().find_by_username(name).await?;
            Some(user.ok_or_else(|| GrantSourceError::NoSuchUser(name.clone()))?.id)
        }
    };
    let to = request.username.as_deref().unwrap_or("everyone");
    let new = NewSourceGrant { place: &place, user_id, granted_by: None };
    let Some(id) = tx.source_grants().insert(&new).await? else {
        return Ok(format!("{place} was already granted to {to}"));
    };
    let entry = AuditEntry {
        collection_id: None,
        collection_name: None,
        operation_id: None,
        actor: None,
        action: "source_granted",
        details: &json!({ "grant_id": id, "place": place.to_string(), "username": request.username }),
        ip_address: None,
        user_agent: None,
        request_id: None,
    };
    tx.audit_log().insert(&entry).await?;
    tx.commit().await?;
    Ok(format!("granted {place} to {to}"))
}

#[cfg(test)]
mod tests {
    use sqlx::PgPool;

    use super::*;

    fn request(event: serde_json::Value) -> GrantSource {
        serde_json::from_value(event).unwrap()
    }

    #[sqlx::test(migrator = "db::MIGRATOR")]
    async fn a_place_is_granted_once_and_audited(pool: PgPool) {
        let db = Db::from_pool(pool.clone());
        let manuals = request(json!({ "bucket": "manuals", "prefix": "guides", "everyone": true }));
        let granted = grant_source(&db, &manuals).await.unwrap();
        assert_eq!(granted, "granted s3://manuals/guides/ to everyone");
        let again = grant_source(&db, &manuals).await.unwrap();
        assert_eq!(again, "s3://manuals/guides/ was already granted to everyone");
        sqlx::query("INSERT INTO users (username, email, hashed_password) VALUES ('ada', 'a', 'x')")
            .execute(&pool)
            .await
            .unwrap();
        let folder = request(json!({ "directory": "/srv/docs", "username": "Ada" }));
        assert_eq!(grant_source(&db, &folder).await.unwrap(), "granted /srv/docs to Ada");
        let audited: i64 =
            sqlx::query_scalar("SELECT count(*) FROM collection_audit_log WHERE action = 'source_granted'")
                .fetch_one(&pool)
                .await
                .unwrap();
        assert_eq!(audited, 2);
        for (event, reason) in [
            (json!({ "everyone": true }), "exactly one of bucket and directory"),
            (json!({ "directory": "/srv", "prefix": "a", "everyone": true }), "prefix belongs to a bucket"),
            (json!({ "bucket": "manuals" }), "exactly one of username and everyone"),
            (json!({ "bucket": "manuals", "username": "bob" }), "no account with username"),
        ] {
            let error = grant_source(&db, &request(event)).await.unwrap_err().to_string();
            assert!(error.contains(reason), "{error}");
        }
    }
}
