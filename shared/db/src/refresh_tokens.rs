//! Refresh tokens, by the hash of what the client holds.

use chrono::{DateTime, Utc};
use domain::UserId;
use sqlx::PgConnection;
use uuid::Uuid;

use crate::DbError;

/// A token to remember.
#[derive(Debug, Clone, Copy)]
pub struct NewRefreshToken<'a> {
    /// Whose it is.
    pub user_id: UserId,
    /// All tokens that descend from one log-in.
    pub family_id: Uuid,
    /// SHA-256 of the token.
    pub token_hash: &'a [u8; 32],
    /// When it stops to work.
    pub expires_at: DateTime<Utc>,
    /// Where the client called from.
    pub ip_address: Option<&'a str>,
    /// What the client calls itself.
    pub user_agent: Option<&'a str>,
}

/// What became of a presented token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Spend {
    /// It was good and now is spent: give its family the next one.
    Spent {
        /// Whose it is.
        user_id: UserId,
        /// Its family.
        family_id: Uuid,
    },
    /// Another request spent it while this one was on its way.
    Raced,
    /// It was spent or revoked before: somebody holds a copy.
    Reused {
        /// Whose it is.
        user_id: UserId,
        /// Its family.
        family_id: Uuid,
    },
    /// Its time is over.
    Expired,
    /// No such token was ever given out, or it is forgotten.
    Unknown,
}

/// Reads and changes refresh tokens.
#[derive(Debug)]
pub struct RefreshTokens<'c> {
    connection: &'c mut PgConnection,
}

impl<'c> RefreshTokens<'c> {
    pub(crate) fn new(connection: &'c mut PgConnection) -> Self {
        Self { connection }
    }

    /// Remembers a token.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn insert(&mut self, new: &NewRefreshToken<'_>) -> Result<(), DbError> {
        sqlx::query!(
            "INSERT INTO refresh_tokens (user_id, family_id, token_hash, expires_at, ip_address, user_agent)
            VALUES ($1, $2, $3, $4, $5, $6)",
            new.user_id.0,
            new.family_id,
            new.token_hash.as_slice(),
            new.expires_at,
            new.ip_address,
            new.user_agent,
        )
        .execute(&mut *self.connection)
        .await?;
        Ok(())
    }

    /// Takes a token in exchange for the next one. Of several simultaneous calls exactly one gets
    /// [`Spend::Spent`].
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn spend(&mut self, token_hash: &[u8; 32], now: DateTime<Utc>) -> Result<Spend, DbError> {
        let spent = sqlx::query!(
            "UPDATE refresh_tokens SET is_revoked = TRUE, last_used_at = clock_timestamp()
            WHERE token_hash = $1 AND NOT is_revoked AND expires_at > $2
            RETURNING user_id, family_id",
            token_hash.as_slice(),
            now,
        )
        .fetch_optional(&mut *self.connection)
        .await?;
        if let Some(row) = spent {
            return Ok(Spend::Spent { user_id: UserId(row.user_id), family_id: row.family_id });
        }
        // now() is when this transaction began: a token spent after that was still good when this
        // request arrived, so nobody has stolen it.
        let known = sqlx::query!(
            r#"SELECT user_id, family_id, is_revoked, coalesce(last_used_at > now(), FALSE) AS "raced!"
            FROM refresh_tokens WHERE token_hash = $1"#,
            token_hash.as_slice(),
        )
        .fetch_optional(&mut *self.connection)
        .await?;
        let Some(row) = known else {
            return Ok(Spend::Unknown);
        };
        if !row.is_revoked {
            return Ok(Spend::Expired);
        }
        if row.raced {
            return Ok(Spend::Raced);
        }
        Ok(Spend::Reused { user_id: UserId(row.user_id), family_id: row.family_id })
    }

    /// Makes all tokens of a family worthless. Returns how many still worked.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn revoke_family(&mut self, family_id: Uuid) -> Result<u64, DbError> {
        let done = sqlx::query!(
            "UPDATE refresh_tokens SET is_revoked = TRUE WHERE family_id = $1 AND NOT is_revoked",
            family_id,
        )
        .execute(&mut *self.connection)
        .await?;
        Ok(done.rows_affected())
    }

    /// Makes the family of this token worthless, if the token is this user's.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn revoke_by_token(&mut self, user_id: UserId, token_hash: &[u8; 32]) -> Result<u64, DbError> {
        let done = sqlx::query!(
            "UPDATE refresh_tokens SET is_revoked = TRUE
            WHERE NOT is_revoked AND family_id IN (
                SELECT family_id FROM refresh_tokens WHERE token_hash = $1 AND user_id = $2
            )",
            token_hash.as_slice(),
            user_id.0,
        )
        .execute(&mut *self.connection)
        .await?;
        Ok(done.rows_affected())
    }

    /// Forgets tokens whose time ended before this moment, `limit` at most. Returns how many.
    ///
    /// # Errors
    /// When the database does not answer.
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

    use super::*;
    use crate::Db;
    use crate::users::NewUser;

    const TOKEN: [u8; 32] = [7; 32];
    const FAMILY: Uuid = Uuid::from_u128(1);

    async fn db_with_token(pool: PgPool, lives: TimeDelta) -> (Db, UserId) {
        let db = Db::from_pool(pool);
        let mut tx = db.begin().await.unwrap();
        let new =
            NewUser { username: "ada", email: "ada@example.org", full_name: None, hashed_password: "x" };
        let user_id = tx.users().insert(&new).await.unwrap().id;
        insert(&mut tx, user_id, &TOKEN, lives).await;
        tx.commit().await.unwrap();
        (db, user_id)
    }

    async fn insert(tx: &mut crate::Tx, user_id: UserId, token_hash: &[u8; 32], lives: TimeDelta) {
        let new = NewRefreshToken {
            user_id,
            family_id: FAMILY,
            token_hash,
            expires_at: Utc::now() + lives,
            ip_address: None,
            user_agent: None,
        };
        tx.refresh_tokens().insert(&new).await.unwrap();
    }

    async fn spend(db: Db, token_hash: [u8; 32]) -> Spend {
        let mut tx = db.begin().await.unwrap();
        let spend = tx.refresh_tokens().spend(&token_hash, Utc::now()).await.unwrap();
        tx.commit().await.unwrap();
        spend
    }

    #[sqlx::test(migrator = "crate::MIGRATOR")]
    async fn one_of_twenty_parallel_refreshes_of_a_token_wins(pool: PgPool) {
        let (db, _) = db_with_token(pool, TimeDelta::days(1)).await;
        let tasks: Vec<_> = (0..20).map(|_| tokio::spawn(spend(db.clone(), TOKEN))).collect();
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
    async fn a_loser_that_was_already_under_way_is_no_thief(pool: PgPool) {
        let (db, _) = db_with_token(pool, TimeDelta::days(1)).await;
        let mut early = db.begin().await.unwrap();
        early.users().find(UserId(1)).await.unwrap();
        assert!(matches!(spend(db, TOKEN).await, Spend::Spent { .. }));
        assert_eq!(early.refresh_tokens().spend(&TOKEN, Utc::now()).await.unwrap(), Spend::Raced);
    }

    #[sqlx::test(migrator = "crate::MIGRATOR")]
    async fn reuse_is_told_from_expiry_and_ignorance(pool: PgPool) {
        let (db, user_id) = db_with_token(pool, TimeDelta::days(1)).await;
        let mut tx = db.begin().await.unwrap();
        insert(&mut tx, user_id, &[8; 32], TimeDelta::seconds(-1)).await;
        tx.commit().await.unwrap();

        assert_eq!(spend(db.clone(), TOKEN).await, Spend::Spent { user_id, family_id: FAMILY });
        assert_eq!(spend(db.clone(), TOKEN).await, Spend::Reused { user_id, family_id: FAMILY });
        assert_eq!(spend(db.clone(), [8; 32]).await, Spend::Expired);
        assert_eq!(spend(db, [9; 32]).await, Spend::Unknown);
    }

    #[sqlx::test(migrator = "crate::MIGRATOR")]
    async fn a_revoked_family_has_no_working_token(pool: PgPool) {
        let (db, user_id) = db_with_token(pool, TimeDelta::days(1)).await;
        let mut tx = db.begin().await.unwrap();
        insert(&mut tx, user_id, &[8; 32], TimeDelta::days(1)).await;
        assert_eq!(tx.refresh_tokens().revoke_by_token(UserId(user_id.0 + 1), &TOKEN).await.unwrap(), 0);
        assert_eq!(tx.refresh_tokens().revoke_by_token(user_id, &TOKEN).await.unwrap(), 2);
        tx.commit().await.unwrap();
        assert!(matches!(spend(db, [8; 32]).await, Spend::Reused { .. }));
    }
}
