//! Refresh tokens, looked up by the hash of the token.

use chrono::{DateTime, Utc};
use domain::{SessionId, UserId};
use sqlx::PgConnection;

use crate::DbError;

/// A refresh token to insert.
#[derive(Debug, Clone, Copy)]
pub struct NewRefreshToken<'a> {
    /// The user it belongs to.
    pub user_id: UserId,
    /// The session it belongs to. At most one token of a session is valid.
    pub session_id: SessionId,
    /// When the session started.
    pub session_started_at: DateTime<Utc>,
    /// SHA-256 of the token.
    pub token_hash: &'a [u8; 32],
    /// When it expires.
    pub expires_at: DateTime<Utc>,
    /// IP address of the client.
    pub ip_address: Option<&'a str>,
    /// `User-Agent` header of the request.
    pub user_agent: Option<&'a str>,
}

/// Outcome of presenting a refresh token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Spend {
    /// It was valid and is now used up; issue the session's next token.
    Spent {
        /// Its session.
        session_id: SessionId,
        /// When the session started.
        session_started_at: DateTime<Utc>,
    },
    /// A concurrent request used it after this request had started.
    Raced,
    /// It was used before, so it may have been stolen.
    Reused {
        /// Its session.
        session_id: SessionId,
    },
    /// Its session was ended.
    Revoked,
    /// It has expired.
    Expired,
    /// It was never issued, or was deleted after its expiry.
    Unknown,
}

/// Reads and changes refresh tokens.
#[derive(Debug)]
pub struct RefreshTokens<'c> {
    pub(crate) connection: &'c mut PgConnection,
}

impl<'c> RefreshTokens<'c> {
    pub(crate) fn new(connection: &'c mut PgConnection) -> Self {
        Self { connection }
    }

    /// Inserts a token.
    pub async fn insert(&mut self, new: &NewRefreshToken<'_>) -> Result<(), DbError> {
        sqlx::query!(
            "INSERT INTO refresh_tokens (user_id, family_id, session_started_at, token_hash, expires_at,
                ip_address, user_agent)
            VALUES ($1, $2, $3, $4, $5, $6, $7)",
            new.user_id.0,
            new.session_id.0,
            new.session_started_at,
            new.token_hash.as_slice(),
            new.expires_at,
            new.ip_address,
            new.user_agent,
        )
        .execute(&mut *self.connection)
        .await?;
        Ok(())
    }

    /// Returns the user a token belongs to, whatever its state.
    pub async fn find_user(&mut self, token_hash: &[u8; 32]) -> Result<Option<UserId>, DbError> {
        let user_id = sqlx::query_scalar!(
            "SELECT user_id FROM refresh_tokens WHERE token_hash = $1",
            token_hash.as_slice(),
        )
        .fetch_optional(&mut *self.connection)
        .await?;
        Ok(user_id.map(UserId))
    }

    /// Exchanges a token: of several concurrent calls exactly one returns [`Spend::Spent`]. The transaction
    /// must hold [`crate::accounts::Users::lock`] on the token's user.
    pub async fn spend(&mut self, token_hash: &[u8; 32], now: DateTime<Utc>) -> Result<Spend, DbError> {
        let spent = sqlx::query!(
            "UPDATE refresh_tokens SET is_revoked = TRUE, last_used_at = clock_timestamp()
            WHERE token_hash = $1 AND NOT is_revoked AND expires_at > $2
            RETURNING family_id, session_started_at",
            token_hash.as_slice(),
            now,
        )
        .fetch_optional(&mut *self.connection)
        .await?;
        if let Some(row) = spent {
            return Ok(Spend::Spent {
                session_id: SessionId(row.family_id),
                session_started_at: row.session_started_at,
            });
        }
        // now() is the start of this transaction: a token that was used after that was still valid when
        // this request arrived, so it was not stolen.
        let known = sqlx::query!(
            r#"SELECT family_id, is_revoked, last_used_at IS NOT NULL AS "spent!",
                coalesce(last_used_at > now(), FALSE) AS "raced!"
            FROM refresh_tokens WHERE token_hash = $1"#,
            token_hash.as_slice(),
        )
        .fetch_optional(&mut *self.connection)
        .await?;
        Ok(match known {
            None => Spend::Unknown,
            Some(row) if !row.is_revoked => Spend::Expired,
            Some(row) if row.raced => Spend::Raced,
            Some(row) if row.spent => Spend::Reused { session_id: SessionId(row.family_id) },
            Some(_) => Spend::Revoked,
        })
    }

    /// Deletes tokens that expired before this time, at most `limit`. Returns how many.
    pub async fn delete_expired(&mut self, before: DateTime<Utc>, limit: i64) -> Result<u64, DbError> {
        let done = sqlx::query!(
            "DELETE FROM refresh_tokens WHERE id IN (
                SELECT id FROM refresh_tokens WHERE expires_at < $1 LIMIT $2 FOR UPDATE SKIP LOCKED
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
    use chrono::TimeDelta;
    use sqlx::PgPool;
    use uuid::Uuid;

    use super::*;
    use crate::accounts::NewUser;
    use crate::{Db, Tx};

    const TOKEN: [u8; 32] = [7; 32];
    const SESSION: SessionId = SessionId(Uuid::from_u128(1));

    async fn db_with_token(pool: PgPool) -> (Db, UserId) {
        let db = Db::from_pool(pool);
        let mut tx = db.begin().await.unwrap();
        let new = NewUser {
            username: "ada",
            email: "ada@example.org",
            full_name: None,
            hashed_password: "x",
            is_superuser: false,
        };
        let user_id = tx.users().insert(&new).await.unwrap().id;
        insert(&mut tx, user_id, SESSION, &TOKEN, TimeDelta::days(1)).await;
        tx.commit().await.unwrap();
        (db, user_id)
    }

    async fn insert(
        tx: &mut Tx,
        user_id: UserId,
        session_id: SessionId,
        token_hash: &[u8; 32],
        lives: TimeDelta,
    ) {
        let new = NewRefreshToken {
            user_id,
            session_id,
            session_started_at: Utc::now(),
            token_hash,
            expires_at: Utc::now() + lives,
            ip_address: None,
            user_agent: None,
        };
        tx.refresh_tokens().insert(&new).await.unwrap();
    }

    /// The steps of a refresh: find, lock, spend, insert the next token.
    async fn refresh(db: Db, token_hash: [u8; 32], next: [u8; 32]) -> Spend {
        let mut tx = db.begin().await.unwrap();
        let Some(user_id) = tx.refresh_tokens().find_user(&token_hash).await.unwrap() else {
            return Spend::Unknown;
        };
        tx.users().lock(user_id).await.unwrap();
        let spend = tx.refresh_tokens().spend(&token_hash, Utc::now()).await.unwrap();
        if let Spend::Spent { session_id, .. } = spend {
            insert(&mut tx, user_id, session_id, &next, TimeDelta::days(1)).await;
        }
        tx.commit().await.unwrap();
        spend
    }

    #[sqlx::test(migrator = "crate::MIGRATOR")]
    async fn one_of_twenty_concurrent_refreshes_succeeds(pool: PgPool) {
        let (db, _) = db_with_token(pool).await;
        let tasks: Vec<_> =
            (0..20).map(|n| tokio::spawn(refresh(db.clone(), TOKEN, [100 + n; 32]))).collect();
        let mut winners = 0;
        for task in tasks {
            match task.await.unwrap() {
                Spend::Spent { .. } => winners += 1,
                Spend::Raced | Spend::Reused { .. } => {}
                other => panic!("{other:?}"),
            }
        }
        assert_eq!(winners, 1);
    }

    #[sqlx::test(migrator = "crate::MIGRATOR")]
    async fn concurrent_refresh_is_not_taken_for_reuse(pool: PgPool) {
        let (db, _) = db_with_token(pool).await;
        let mut early = db.begin().await.unwrap();
        early.users().find(UserId(1)).await.unwrap();
        assert!(matches!(refresh(db, TOKEN, [8; 32]).await, Spend::Spent { .. }));
        assert_eq!(early.refresh_tokens().spend(&TOKEN, Utc::now()).await.unwrap(), Spend::Raced);
    }

    #[sqlx::test(migrator = "crate::MIGRATOR")]
    async fn reuse_differs_from_expired_revoked_and_unknown(pool: PgPool) {
        let (db, user_id) = db_with_token(pool).await;
        let mut tx = db.begin().await.unwrap();
        insert(&mut tx, user_id, SessionId(Uuid::from_u128(2)), &[8; 32], TimeDelta::seconds(-1)).await;
        tx.commit().await.unwrap();

        assert!(matches!(refresh(db.clone(), TOKEN, [9; 32]).await, Spend::Spent { .. }));
        assert_eq!(refresh(db.clone(), TOKEN, [10; 32]).await, Spend::Reused { session_id: SESSION });
        assert_eq!(refresh(db.clone(), [8; 32], [10; 32]).await, Spend::Expired);
        assert_eq!(refresh(db.clone(), [11; 32], [10; 32]).await, Spend::Unknown);
        let mut connection = db.connection().await.unwrap();
        assert!(connection.refresh_tokens().revoke_session(user_id, SESSION).await.unwrap());
        drop(connection);
        assert_eq!(refresh(db, [9; 32], [10; 32]).await, Spend::Revoked);
    }

    #[sqlx::test(migrator = "crate::MIGRATOR")]
    async fn ending_all_sessions_waits_for_a_concurrent_refresh(pool: PgPool) {
        let (db, user_id) = db_with_token(pool).await;
        let mut renewing = db.begin().await.unwrap();
        renewing.users().lock(user_id).await.unwrap();
        let spend = renewing.refresh_tokens().spend(&TOKEN, Utc::now()).await.unwrap();
        assert!(matches!(spend, Spend::Spent { .. }));
        let ending = tokio::spawn({
            let db = db.clone();
            async move {
                let mut tx = db.begin().await.unwrap();
                tx.users().lock(user_id).await.unwrap();
                let ended = tx.refresh_tokens().revoke_sessions(user_id, None, Utc::now()).await.unwrap();
                tx.commit().await.unwrap();
                ended
            }
        });
        insert(&mut renewing, user_id, SESSION, &[8; 32], TimeDelta::days(1)).await;
        renewing.commit().await.unwrap();
        assert_eq!(ending.await.unwrap(), 1);
        assert_eq!(refresh(db, [8; 32], [9; 32]).await, Spend::Revoked);
    }
}
