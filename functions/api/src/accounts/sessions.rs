//! Where the caller is signed in, and ending it.

use access::Caller;
use axum::Json;
use axum::extract::State as Shared;
use chrono::{DateTime, Utc};
use db::accounts::Session;
use domain::SessionId;
use http::StatusCode;
use lambda::http::{ApiError, ApiPath, ApiQuery, ClientInfo, Problem};
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::{IntoParams, ToSchema};

use super::passwords::SessionsEndedResponse;
use crate::State;
use crate::audit::{self, Change};
use crate::locks::lock_user;
use crate::paging::Paging;

/// A session: a log-in, and the tokens that it was renewed by.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct SessionResponse {
    #[schema(value_type = Uuid)]
    id: SessionId,
    /// When its user signed in.
    created_at: DateTime<Utc>,
    /// When its tokens were last renewed.
    last_used_at: DateTime<Utc>,
    /// When it ends unless they are renewed again.
    expires_at: DateTime<Utc>,
    /// Where they were last renewed from.
    ip_address: Option<String>,
    /// What that client calls itself.
    user_agent: Option<String>,
    /// Whether it is the one that this request belongs to.
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

/// Which sessions to list.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct ListSessionsQuery {
    /// Which page, from 1.
    #[param(minimum = 1, maximum = 1_000_000, default = 1)]
    page: Option<i64>,
    /// Sessions on a page.
    #[param(minimum = 1, maximum = 100, default = 50)]
    per_page: Option<i64>,
}

/// A page of sessions, the last used first.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct SessionsResponse {
    sessions: Vec<SessionResponse>,
    total: i64,
    page: i64,
    per_page: i64,
}

/// List where the caller is signed in
#[utoipa::path(
    get, path = "/api/auth/sessions", tag = "auth", params(ListSessionsQuery),
    responses(
        (status = 200, body = SessionsResponse),
        (status = 422, body = Problem, content_type = "application/problem+json", description = "A parameter is wrong."),
    ),
)]
pub(crate) async fn list(
    Shared(state): Shared<State>,
    caller: Caller,
    ApiQuery(query): ApiQuery<ListSessionsQuery>,
) -> Result<Json<SessionsResponse>, ApiError> {
    let paging = Paging::new(query.page, query.per_page)?;
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
/// Its access token is refused with the next request.
#[utoipa::path(
    delete, path = "/api/auth/sessions/{session_id}", tag = "auth", params(("session_id" = Uuid, Path)),
    responses(
        (status = 204, description = "It is over."),
        (status = 404, body = Problem, content_type = "application/problem+json", description = "The caller has no such session, or no more."),
    ),
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
/// Ends all sessions of the caller, this one included. API keys go on working.
#[utoipa::path(
    post, path = "/api/auth/logout-all", tag = "auth",
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
