//! Signing in, refreshing tokens, signing out.

use access::Caller;
use auth::{
    ACCESS_TOKEN_LIFETIME, MAX_PASSWORD_CHARS, OpaqueToken, REFRESH_TOKEN_LIFETIME, SESSION_LIFETIME,
    hash_token, is_username,
};
use axum::Json;
use axum::extract::State as Shared;
use chrono::{DateTime, Utc};
use db::accounts::{NewRefreshToken, Spend, User};
use db::{DbError, Tx};
use domain::{Actor, ErrorKind, SessionId, UserId};
use http::StatusCode;
use lambda::http::{ApiError, ApiJson, ApiOptionalJson, ClientInfo};
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::ToSchema;
use uuid::Uuid;

use super::login_throttle;
use super::passwords;
use crate::State;
use crate::audit::{self, Change};
use crate::locks::lock_user;
use crate::openapi::words;

/// Credentials of an account.
#[derive(Deserialize, ToSchema)]
pub(crate) struct LoginRequest {
    /// The username, in any case.
    #[schema(example = "ada")]
    username: String,
    /// The password.
    #[schema(format = "password", example = "correct horse battery")]
    password: String,
}

/// An access token and a refresh token.
#[derive(Serialize, ToSchema)]
pub(crate) struct TokenResponse {
    /// A JWT for the header `Authorization: Bearer`.
    access_token: String,
    /// Can be exchanged once for the next pair at `POST /api/auth/refresh`; valid for 30 days, and not beyond 90
    /// days after the sign-in.
    refresh_token: String,
    /// Always `bearer`.
    #[schema(value_type = words::TokenType)]
    token_type: &'static str,
    /// Lifetime of the access token in seconds.
    expires_in: i64,
}

/// A refresh token.
#[derive(Default, Deserialize, ToSchema)]
pub(crate) struct RefreshRequest {
    /// The refresh token of the last pair.
    #[schema(example = "smtr_9vT3bXk0c2mQeWzR1yUoPaSdFgHjKlZxCvBnM4567QE")]
    refresh_token: Option<String>,
}

/// A confirmation.
#[derive(Serialize, ToSchema)]
pub(crate) struct MessageResponse {
    /// A confirmation in English.
    message: &'static str,
}

/// Sign in
///
/// Returns an access token, valid for 15 minutes, and a refresh token, valid for 30 days. Failed attempts
/// are throttled per account and IP address.
#[utoipa::path(
    post, path = "/api/auth/login", operation_id = "login", tag = "auth", request_body = LoginRequest,
    responses((status = 200, body = TokenResponse)),
)]
pub(crate) async fn login(
    Shared(state): Shared<State>,
    client: ClientInfo,
    ApiJson(request): ApiJson<LoginRequest>,
) -> Result<Json<TokenResponse>, ApiError> {
    let now = Utc::now();
    // No account can have such a username or password. Other characters never reach the throttle or the database, which
    // fold case differently: to PostgreSQL, U+0130 may be the same letter as i.
    let is_possible =
        is_username(&request.username) && request.password.chars().count() <= MAX_PASSWORD_CHARS;
    if !is_possible {
        return Err(wrong_password());
    }
    let attempt = login_throttle::admit(&state.db, &request.username, &client, now).await?;
    let user = state.db.connection().await?.users().find_by_username(&request.username).await?;
    let is_right = passwords::verify(request.password, user.as_ref()).await?;
    let Some(checked) = user.filter(|_| is_right) else {
        return Err(wrong_password());
    };

    let mut tx = state.db.begin().await?;
    // Checked again under the row lock: a concurrent password change or deactivation ends all sessions,
    // and must not miss this one.
    let user = tx.users().lock(checked.id).await?;
    let Some(user) = user.filter(|user| user.hashed_password == checked.hashed_password) else {
        return Err(wrong_password());
    };
    if !user.is_active {
        return Err(deactivated());
    }
    attempt.succeeded(&mut tx).await?;
    let session = Session { id: SessionId(Uuid::new_v4()), started_at: now };
    let pair = issue_tokens(&state, &mut tx, &client, &user, session, now).await?;
    tx.users().mark_signed_in(user.id, now).await?;
    record(&mut tx, &client, "user_signed_in", user.id, session.id).await?;
    tx.commit().await?;
    Ok(Json(pair))
}

/// Exchange a refresh token for a new pair
///
/// A refresh token can be used once. Reuse means that it was copied, so it revokes all tokens of that
/// session. A session ends 90 days after the sign-in, however often its tokens were exchanged.
#[utoipa::path(
    post, path = "/api/auth/refresh", operation_id = "refreshTokens", tag = "auth", request_body = Option<RefreshRequest>,
    responses((status = 200, body = TokenResponse)),
)]
pub(crate) async fn refresh(
    Shared(state): Shared<State>,
    client: ClientInfo,
    ApiOptionalJson(request): ApiOptionalJson<RefreshRequest>,
) -> Result<Json<TokenResponse>, ApiError> {
    let now = Utc::now();
    let Some(token) = request.refresh_token.filter(|token| !token.is_empty()) else {
        return Err(ApiError::invalid_field(
            "refresh_token",
            "is missing; send {\"refresh_token\": \"...\"}",
        )
        .with_status(StatusCode::BAD_REQUEST));
    };
    let token_hash = hash_token(&token);
    let mut tx = state.db.begin().await?;
    let Some(user_id) = tx.refresh_tokens().find_user(&token_hash).await? else {
        return Err(unauthenticated("the refresh token is not valid; sign in again at POST /api/auth/login"));
    };
    let Some(user) = tx.users().lock(user_id).await? else {
        return Err(unauthenticated("the account no longer exists"));
    };
    if !user.is_active {
        return Err(deactivated());
    }
    let session = match tx.refresh_tokens().spend(&token_hash, now).await? {
        Spend::Spent { session_id, session_started_at } => {
            Session { id: session_id, started_at: session_started_at }
        }
        Spend::Reused { session_id } => {
            tx.refresh_tokens().revoke_session(user_id, session_id).await?;
            record(&mut tx, &client, "refresh_token_reused", user_id, session_id).await?;
            tx.commit().await?;
            tracing::warn!(user.id = %user_id, session.id = %session_id, "refresh token was reused, its session is revoked");
            return Err(unauthenticated(
                "the refresh token was used before, so its session was revoked; sign in again at POST /api/auth/login",
            ));
        }
        Spend::Raced => {
            return Err(unauthenticated(
                "a concurrent request used the refresh token; use the token pair that it received",
            ));
        }
        Spend::Revoked => {
            return Err(unauthenticated(
                "the session of the refresh token was revoked; sign in again at POST /api/auth/login",
            ));
        }
        Spend::Expired => {
            return Err(unauthenticated(
                "the refresh token has expired; sign in again at POST /api/auth/login",
            ));
        }
        Spend::Unknown => {
            return Err(unauthenticated(
                "the refresh token is not valid; sign in again at POST /api/auth/login",
            ));
        }
    };
    let pair = issue_tokens(&state, &mut tx, &client, &user, session, now).await?;
    tx.commit().await?;
    Ok(Json(pair))
}

/// Sign out
///
/// Requires a user session. Ends it, and also the session of the refresh token if that is another one of
/// the caller's. Their access tokens are rejected from the next request on.
#[utoipa::path(
    post, path = "/api/auth/logout", operation_id = "logout", tag = "auth", request_body = Option<RefreshRequest>,
    responses((status = 200, body = MessageResponse)),
)]
pub(crate) async fn logout(
    Shared(state): Shared<State>,
    caller: Caller,
    client: ClientInfo,
    ApiOptionalJson(request): ApiOptionalJson<RefreshRequest>,
) -> Result<Json<MessageResponse>, ApiError> {
    let mut tx = state.db.begin().await?;
    let user = lock_user(&mut tx, caller.principal.user_id).await?;
    let mut session_ids: Vec<SessionId> = caller.session_id.into_iter().collect();
    if let Some(token) = request.refresh_token.filter(|token| !token.is_empty()) {
        session_ids.extend(tx.refresh_tokens().find_session(user.id, &hash_token(&token)).await?);
    }
    for session_id in session_ids {
        if tx.refresh_tokens().revoke_session(user.id, session_id).await? {
            record(&mut tx, &client, "user_signed_out", user.id, session_id).await?;
        }
    }
    tx.commit().await?;
    Ok(Json(MessageResponse { message: "signed out" }))
}

/// A sign-in and the tokens that descend from it.
#[derive(Debug, Clone, Copy)]
struct Session {
    id: SessionId,
    started_at: DateTime<Utc>,
}

async fn issue_tokens(
    state: &State,
    tx: &mut Tx,
    client: &ClientInfo,
    user: &User,
    session: Session,
    now: DateTime<Utc>,
) -> Result<TokenResponse, ApiError> {
    let refresh_token = OpaqueToken::refresh();
    let new = NewRefreshToken {
        user_id: user.id,
        session_id: session.id,
        session_started_at: session.started_at,
        token_hash: &refresh_token.hash(),
        expires_at: (now + REFRESH_TOKEN_LIFETIME).min(session.started_at + SESSION_LIFETIME),
        ip_address: client.ip_address.as_deref(),
        user_agent: client.user_agent.as_deref(),
    };
    tx.refresh_tokens().insert(&new).await?;
    Ok(TokenResponse {
        access_token: state.tokens.issue(user.id, &user.username, session.id, now).await?,
        refresh_token: refresh_token.expose().to_owned(),
        token_type: "bearer",
        expires_in: ACCESS_TOKEN_LIFETIME.num_seconds(),
    })
}

async fn record(
    tx: &mut Tx,
    client: &ClientInfo,
    action: &'static str,
    user_id: UserId,
    session_id: SessionId,
) -> Result<(), DbError> {
    let details = json!({ "session": session_id });
    audit::record(tx, client, Change::of_accounts(action, Actor::user(user_id), details)).await
}

/// The same error for unknown usernames and wrong passwords, so that accounts cannot be enumerated.
fn wrong_password() -> ApiError {
    unauthenticated("the username or the password is wrong")
}

fn deactivated() -> ApiError {
    ApiError::new(ErrorKind::Forbidden, "the account is deactivated; ask an administrator to activate it")
}

fn unauthenticated(detail: &str) -> ApiError {
    ApiError::new(ErrorKind::Unauthenticated, detail)
}
