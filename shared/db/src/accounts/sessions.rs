//! User sessions, each a family of refresh tokens that starts with a sign-in.

use chrono::{DateTime, Utc};
use domain::{SessionId, UserId};

use super::refresh_tokens::RefreshTokens;
use crate::{DbError, Page};

/// An active session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Session {
    /// ID of the session.
    pub id: SessionId,
    /// When the user signed in.
    pub created_at: DateTime<Utc>,
    /// When it was started or last refreshed.
    pub last_used_at: DateTime<Utc>,
    /// When it ends unless it is refreshed.
    pub expires_at: DateTime<Utc>,
    /// IP address of the last refresh.
    pub ip_address: Option<String>,
    /// `User-Agent` header of the last refresh.
    pub user_agent: Option<String>,
}

/// An active session has exactly one valid token; its earlier tokens are used up.
impl RefreshTokens<'_> {
    /// Returns a user's active sessions, the most recently used first.
    pub async fn list_sessions(
        &mut self,
        user_id: UserId,
        now: DateTime<Utc>,
        limit: i64,
        offset: i64,
    ) -> Result<Page<Session>, DbError> {
        let total = sqlx::query_scalar!(
            r#"SELECT count(*) AS "total!" FROM refresh_tokens
            WHERE user_id = $1 AND NOT is_revoked AND expires_at > $2"#,
            user_id.0,
            now,
        )
        .fetch_one(&mut *self.connection)
        .await?;
        let rows = sqlx::query!(
            "SELECT family_id, session_started_at, created_at, expires_at, ip_address, user_agent
            FROM refresh_tokens
            WHERE user_id = $1 AND NOT is_revoked AND expires_at > $2
            ORDER BY id DESC LIMIT $3 OFFSET $4",
            user_id.0,
            now,
            limit,
            offset,
        )
        .fetch_all(&mut *self.connection)
        .await?;
        let items = rows.into_iter().map(|row| Session {
            id: SessionId(row.family_id),
            created_at: row.session_started_at,
            last_used_at: row.created_at,
            expires_at: row.expires_at,
            ip_address: row.ip_address,
            user_agent: row.user_agent,
        });
        Ok(Page { items: items.collect(), total })
    }

    /// Ends a session of this user. Returns whether it was active. The transaction must hold
    /// [`crate::accounts::Users::lock`] on the user.
    pub async fn revoke_session(&mut self, user_id: UserId, session_id: SessionId) -> Result<bool, DbError> {
        let done = sqlx::query!(
            "UPDATE refresh_tokens SET is_revoked = TRUE
            WHERE family_id = $1 AND user_id = $2 AND NOT is_revoked",
            session_id.0,
            user_id.0,
        )
        .execute(&mut *self.connection)
        .await?;
        Ok(done.rows_affected() > 0)
    }

    /// Ends all sessions of this user, optionally except one. Returns how many were active. The transaction
    /// must hold [`crate::accounts::Users::lock`] on the user.
    pub async fn revoke_sessions(
        &mut self,
        user_id: UserId,
        except: Option<SessionId>,
        now: DateTime<Utc>,
    ) -> Result<usize, DbError> {
        let revoked = sqlx::query_scalar!(
            r#"UPDATE refresh_tokens SET is_revoked = TRUE
            WHERE user_id = $1 AND NOT is_revoked AND ($2::uuid IS NULL OR family_id <> $2)
            RETURNING expires_at > $3 AS "was_alive!""#,
            user_id.0,
            except.map(|id| id.0),
            now,
        )
        .fetch_all(&mut *self.connection)
        .await?;
        Ok(revoked.into_iter().filter(|was_alive| *was_alive).count())
    }

    /// Returns the session of this token if it belongs to this user.
    pub async fn find_session(
        &mut self,
        user_id: UserId,
        token_hash: &[u8; 32],
    ) -> Result<Option<SessionId>, DbError> {
        let family_id = sqlx::query_scalar!(
            "SELECT family_id FROM refresh_tokens WHERE token_hash = $1 AND user_id = $2",
            token_hash.as_slice(),
            user_id.0,
        )
        .fetch_optional(&mut *self.connection)
        .await?;
        Ok(family_id.map(SessionId))
    }
}
