//! Signing in, staying signed in, signing out.

use access::Caller;
use auth::{ACCESS_TOKEN_LIFETIME, OpaqueToken, REFRESH_TOKEN_LIFETIME, hash_token};
use axum::Json;
use axum::extract::State as Shared;
use chrono::{DateTime, Utc};
use db::accounts::{NewRefreshToken, Spend, User};
use db::{DbError, Tx};
use domain::{Actor, ErrorKind, SessionId, UserId};
use http::StatusCode;
use lambda::http::{ApiError, ApiJson, ApiOptionalJson, ApiQuery, ClientInfo, Problem};
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use super::login_throttle;
use super::passwords::{self, MAX_PASSWORD_CHARS};
use crate::State;
use crate::audit::{self, Change};
use crate::locks::lock_user;
use crate::openapi::BodyErrors;

/// A name and its password.
#[derive(Deserialize, ToSchema)]
pub(crate) struct LoginRequest {
    #[schema(example = "ada")]
    username: String,
    #[schema(format = "password", example = "correct horse battery")]
    password: String,
}

/// A pair of tokens.
#[derive(Serialize, ToSchema)]
pub(crate) struct TokenResponse {
    /// Goes into the header `Authorization: Bearer`.
    access_token: String,
    /// Gets the next pair, once.
    refresh_token: String,
    /// Always `bearer`.
    token_type: &'static str,
    /// How long the access token works, in seconds.
    expires_in: i64,
}

/// The refresh token, for clients that send it in the query.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct RefreshQuery {
    /// Better sent in the body: addresses end up in logs.
    refresh_token: Option<String>,
}

/// The refresh token.
#[derive(Default, Deserialize, ToSchema)]
pub(crate) struct RefreshRequest {
    #[schema(example = "smtr_9vT3bXk0c2mQeWzR1yUoPaSdFgHjKlZxCvBnM4567QE")]
    refresh_token: Option<String>,
}

/// A sentence.
#[derive(Serialize, ToSchema)]
pub(crate) struct MessageResponse {
    message: &'static str,
}

/// Sign in
///
/// The access token works for 15 minutes, the refresh token for 30 days. Who fails too often waits.
#[utoipa::path(
    post, path = "/api/auth/login", tag = "auth", request_body = LoginRequest,
    responses(
        (status = 200, body = TokenResponse),
        (status = 401, body = Problem, content_type = "application/problem+json", description = "The name or the password is wrong."),
        (status = 403, body = Problem, content_type = "application/problem+json", description = "The account is deactivated."),
        (status = 429, body = Problem, content_type = "application/problem+json", description = "Too many failures; `Retry-After` says how long to wait."),
        BodyErrors,
    ),
)]
pub(crate) async fn login(
    Shared(state): Shared<State>,
    client: ClientInfo,
    ApiJson(request): ApiJson<LoginRequest>,
) -> Result<Json<TokenResponse>, ApiError> {
    let now = Utc::now();
    // No account has such a name or password; PostgreSQL takes no NUL either.
    let is_possible = request.username.len() <= 64
        && !request.username.contains('\0')
        && request.password.chars().count() <= MAX_PASSWORD_CHARS;
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
    // Whoever changes the password or deactivates the account meanwhile leaves no session behind.
    let user = tx.users().lock(checked.id).await?;
    let Some(user) = user.filter(|user| user.hashed_password == checked.hashed_password) else {
        return Err(wrong_password());
    };
    if !user.is_active {
        return Err(deactivated());
    }
    attempt.forgive(&mut tx).await?;
    let session = Session { id: SessionId(Uuid::new_v4()), started_at: now };
    let pair = give_pair(&state, &mut tx, &client, &user, session, now).await?;
    tx.users().mark_signed_in(user.id, now).await?;
    record(&mut tx, &client, "user_signed_in", user.id, session.id).await?;
    tx.commit().await?;
    Ok(Json(pair))
}

/// Exchange a refresh token for a new pair
///
/// A refresh token works once. If it comes a second time, somebody holds a copy: then all tokens
/// of that log-in stop working.
#[utoipa::path(
    post, path = "/api/auth/refresh", tag = "auth", request_body = Option<RefreshRequest>, params(RefreshQuery),
    responses(
        (status = 200, body = TokenResponse),
        (status = 400, body = Problem, content_type = "application/problem+json", description = "No refresh token came."),
        (status = 401, body = Problem, content_type = "application/problem+json", description = "The refresh token does not hold."),
        (status = 403, body = Problem, content_type = "application/problem+json", description = "The account is deactivated."),
        (status = 413, body = Problem, content_type = "application/problem+json", description = "The body is too large."),
        (status = 422, body = Problem, content_type = "application/problem+json", description = "A parameter cannot be read."),
    ),
)]
pub(crate) async fn refresh(
    Shared(state): Shared<State>,
    client: ClientInfo,
    ApiQuery(query): ApiQuery<RefreshQuery>,
    ApiOptionalJson(request): ApiOptionalJson<RefreshRequest>,
) -> Result<Json<TokenResponse>, ApiError> {
    let now = Utc::now();
    let Some(token) = request.refresh_token.or(query.refresh_token).filter(|token| !token.is_empty()) else {
        return Err(ApiError::invalid_field(
            "refresh_token",
            "is missing; send {\"refresh_token\": \"...\"}",
        )
        .with_status(StatusCode::BAD_REQUEST));
    };
    let token_hash = hash_token(&token);
    let mut tx = state.db.begin().await?;
    let Some(user_id) = tx.refresh_tokens().find_user(&token_hash).await? else {
        return Err(refuse("this refresh token is not valid; sign in again at POST /api/auth/login"));
    };
    let Some(user) = tx.users().lock(user_id).await? else {
        return Err(refuse("this account no longer exists"));
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
            tracing::warn!(user.id = %user_id, session.id = %session_id, "refresh token came a second time");
            return Err(refuse("this refresh token was used before, so its session is over; sign in again"));
        }
        Spend::Raced => {
            return Err(refuse(
                "another request has just used this refresh token; go on with the pair it got",
            ));
        }
        Spend::Revoked => {
            return Err(refuse(
                "the session of this refresh token was ended; sign in again at POST /api/auth/login",
            ));
        }
        Spend::Expired => {
            return Err(refuse("this refresh token expired; sign in again at POST /api/auth/login"));
        }
        Spend::Unknown => {
            return Err(refuse("this refresh token is not valid; sign in again at POST /api/auth/login"));
        }
    };
    let pair = give_pair(&state, &mut tx, &client, &user, session, now).await?;
    tx.commit().await?;
    Ok(Json(pair))
}

/// Sign out
///
/// Ends this session, and that of the refresh token where it is another one of the caller's. Their
/// access tokens are refused with the next request.
#[utoipa::path(
    post, path = "/api/auth/logout", tag = "auth", request_body = Option<RefreshRequest>,
    responses(
        (status = 200, body = MessageResponse),
        (status = 400, body = Problem, content_type = "application/problem+json", description = "The body is no JSON."),
        (status = 413, body = Problem, content_type = "application/problem+json", description = "The body is too large."),
        (status = 422, body = Problem, content_type = "application/problem+json", description = "The body does not fit."),
    ),
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

/// A log-in and what descends from it.
#[derive(Debug, Clone, Copy)]
struct Session {
    id: SessionId,
    started_at: DateTime<Utc>,
}

async fn give_pair(
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
        expires_at: now + REFRESH_TOKEN_LIFETIME,
        ip_address: client.ip_address.as_deref(),
        user_agent: client.user_agent.as_deref(),
    };
    tx.refresh_tokens().insert(&new).await?;
    Ok(TokenResponse {
        access_token: state.tokens.issue(user.id, &user.username, session.id, now)?,
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

/// The same for unknown names and wrong passwords.
fn wrong_password() -> ApiError {
    refuse("the username or the password is wrong")
}

fn deactivated() -> ApiError {
    ApiError::new(ErrorKind::Forbidden, "this account is deactivated; ask an administrator")
}

fn refuse(detail: &str) -> ApiError {
    ApiError::new(ErrorKind::Unauthenticated, detail)
}
