//! Listing and ending the caller's user sessions.

use access::Caller;
use axum::Json;
use axum::extract::State as Shared;
use chrono::{DateTime, Utc};
use db::accounts::Session;
use domain::SessionId;
use http::StatusCode;
use lambda::http::{ApiError, ApiPath, ClientInfo, Page};
use serde::Serialize;
use serde_json::json;
use utoipa::ToSchema;

use super::passwords::SessionsEndedResponse;
use crate::State;
use crate::audit::{self, Change};
use crate::locks::lock_user;

/// A user session: a sign-in and the tokens refreshed from it.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct SessionResponse {
    /// Identifies the session.
    #[schema(value_type = Uuid)]
    id: SessionId,
    /// When the user signed in.
    created_at: DateTime<Utc>,
    /// When the tokens were last refreshed.
    last_used_at: DateTime<Utc>,
    /// When the session expires unless the tokens are refreshed.
    expires_at: DateTime<Utc>,
    /// The IP address of the last refresh.
    ip_address: Option<String>,
    /// The `User-Agent` header of the last refresh.
    user_agent: Option<String>,
    /// Whether this request belongs to the session.
    is_current: bool,
}

impl SessionResponse {
    fn new(session: Session, current: Option<SessionId>) -> Self {
        Self {
            is_current: current == Some(session.id),
            id: session.id,
            created_at: session.created_at,
            last_used_at: session.last_used_at,
            expires_at: session.expires_at,
            ip_address: session.ip_address,
            user_agent: session.user_agent,
        }
    }
}

/// A page of sessions, most recently used first.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct SessionsResponse {
    /// The sessions of this page.
    sessions: Vec<SessionResponse>,
    /// Number of active sessions on all pages.
    total: i64,
    /// Page number, starting at 1.
    page: i64,
    /// Sessions per page.
    per_page: i64,
}

/// List the caller's sessions
///
/// Requires a user session; API keys are rejected. Lists active sessions only.
#[utoipa::path(
    get, path = "/api/auth/sessions", operation_id = "listSessions", tag = "auth", params(Page),
    responses((status = 200, body = SessionsResponse)),
)]
pub(crate) async fn list(
    Shared(state): Shared<State>,
    caller: Caller,
    paging: Page,
) -> Result<Json<SessionsResponse>, ApiError> {
    let mut connection = state.db.connection().await?;
    let page = connection
        .refresh_tokens()
        .list_sessions(caller.principal.user_id, Utc::now(), paging.per_page, paging.offset())
        .await?;
    let describe = |session| SessionResponse::new(session, caller.session_id);
    Ok(Json(SessionsResponse {
        sessions: page.items.into_iter().map(describe).collect(),
        total: page.total,
        page: paging.page,
        per_page: paging.per_page,
    }))
}

/// End a session
///
/// Requires a user session. The access tokens of the ended session are rejected from the next request on.
#[utoipa::path(
    delete, path = "/api/auth/sessions/{session_id}", operation_id = "endSession", tag = "auth", params(("session_id" = Uuid, Path)),
    responses((status = 204, description = "The session has ended.")),
)]
pub(crate) async fn end(
    Shared(state): Shared<State>,
    caller: Caller,
    client: ClientInfo,
    ApiPath(id): ApiPath<SessionId>,
) -> Result<StatusCode, ApiError> {
    let mut tx = state.db.begin().await?;
    let user = lock_user(&mut tx, caller.principal.user_id).await?;
    if !tx.refresh_tokens().revoke_session(user.id, id).await? {
        return Err(ApiError::not_found("session", id));
    }
    let change = Change::of_accounts("session_ended", caller.actor(), json!({ "session": id }));
    audit::record(&mut tx, &client, change).await?;
    tx.commit().await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Sign out everywhere
///
/// Requires a user session. Ends all sessions of the caller, including this one. API keys keep working.
#[utoipa::path(
    post, path = "/api/auth/logout-all", operation_id = "endAllSessions", tag = "auth",
    responses((status = 200, body = SessionsEndedResponse)),
)]
pub(crate) async fn end_all(
    Shared(state): Shared<State>,
    caller: Caller,
    client: ClientInfo,
) -> Result<Json<SessionsEndedResponse>, ApiError> {
    let mut tx = state.db.begin().await?;
    let user = lock_user(&mut tx, caller.principal.user_id).await?;
    let sessions_ended = tx.refresh_tokens().revoke_sessions(user.id, None, Utc::now()).await?;
    let details = json!({ "sessions_ended": sessions_ended });
    let change = Change::of_accounts("user_signed_out_everywhere", caller.actor(), details);
    audit::record(&mut tx, &client, change).await?;
    tx.commit().await?;
    Ok(Json(SessionsEndedResponse { message: "signed out everywhere", sessions_ended }))
}
