//! The middleware that enforces a route's declaration.

use std::sync::Arc;
use std::time::Instant;

use auth::AccessTokens;
use axum::extract::{FromRequestParts, MatchedPath, RawPathParams, Request};
use axum::middleware::{Next, from_fn};
use axum::response::{IntoResponse, Response};
use chrono::Utc;
use db::{Connection, Db};
use domain::{CollectionId, ErrorKind, OperationId};
use http::Method;
use http::request::Parts;
use lambda::http::{ApiError, ClientInfo, refuse_unknown};
use utoipa_axum::router::UtoipaMethodRouter;

use crate::access::Access;
use crate::caller::{Caller, Credential};
use crate::error::AccessError;
use crate::openapi::{self, DeclaredParameters};
use crate::rate::{self, Rate, RateLimitStatus, RateLimits};
use crate::route::{Route, Rules};
use crate::unknown_keys::UnknownKeys;
use crate::{granted, idempotency};

/// What the middleware needs. A router with declared routes has it as an `Extension` layer.
#[derive(Debug, Clone)]
pub struct AccessState {
    /// The database of accounts, API keys, collections and rate limit counters.
    pub db: Db,
    /// Verifies access tokens.
    pub tokens: AccessTokens,
    /// The factor on all declared rate limits.
    pub rate_limits: RateLimits,
    /// The addresses that send API keys which do not exist.
    pub unknown_keys: UnknownKeys,
}

impl Route {
    /// Wraps a handler of `utoipa_axum::routes!` in the middleware and completes its OpenAPI description.
    pub fn handles<S: Clone + Send + Sync + 'static>(
        self,
        handler: UtoipaMethodRouter<S>,
    ) -> UtoipaMethodRouter<S> {
        let (schemas, mut paths, method_router) = handler;
        let parameters = Arc::new(openapi::declare(&self, &mut paths));
        let rules = self.rules;
        let layer = from_fn(move |request: Request, next: Next| {
            enforce(rules, Arc::clone(&parameters), request, next)
        });
        (schemas, paths, method_router.route_layer(layer))
    }
}

async fn enforce(
    rules: Rules,
    parameters: Arc<DeclaredParameters>,
    request: Request,
    next: Next,
) -> Response {
    match check(rules, &parameters, request).await {
        Ok((request, status)) => {
            let mut response = next.run(request).await;
            if let Some(status) = status {
                status.write(response.headers_mut());
            }
            response
        }
        Err(error) => error.into_response(),
    }
}

async fn check(
    rules: Rules,
    parameters: &DeclaredParameters,
    request: Request,
) -> Result<(Request, Option<RateLimitStatus>), ApiError> {
    let (mut parts, body) = request.into_parts();
    let state = parts.extensions.get::<AccessState>().cloned().ok_or(AccessError::NoState)?;
    let status = match rules.access {
        Access::Public => match rules.rate {
            Some(rate) => count(&mut state.db.connection().await?, &state, rate, &parts, None).await?,
            None => None,
        },
        access => {
            let now = Utc::now();
            let credential = Credential::read(&parts.headers, &state.tokens, now).await?;
            let (caller, mut connection) = find_caller(&state, &credential, &parts).await?;
            let status = match rules.rate {
                Some(rate) => count(&mut connection, &state, rate, &parts, Some(&caller)).await?,
                None => None,
            };
            authorize(access, &caller, &mut connection, &mut parts).await?;
            parts.extensions.insert(caller);
            status
        }
    };
    refuse_unknown_parameters(&parts, parameters)?;
    let request = if rules.is_idempotent {
        idempotency::read(&state.tokens, parts, body).await?
    } else {
        Request::from_parts(parts, body)
    };
    Ok((request, status))
}

/// Looks the caller up, unless the address has sent too many API keys that do not exist.
async fn find_caller(
    state: &AccessState,
    credential: &Credential,
    parts: &Parts,
) -> Result<(Caller, Connection), ApiError> {
    let address = address(parts);
    if let Credential::ApiKey { hash } = credential {
        state.unknown_keys.check(address, hash, Instant::now())?;
    }
    let mut connection = state.db.connection().await?;
    let caller = credential.caller(&mut connection, Utc::now()).await;
    if let Credential::ApiKey { hash } = credential {
        match &caller {
            Ok(_) => state.unknown_keys.found(*hash),
            Err(error) if error.kind() == ErrorKind::Unauthenticated => {
                let limits = state.rate_limits;
                state.unknown_keys.count(&mut connection, limits, address, hash, Instant::now()).await?;
            }
            Err(_) => {}
        }
    }
    Ok((caller?, connection))
}

/// The address that API Gateway saw.
fn address(parts: &Parts) -> &str {
    let client = parts.extensions.get::<ClientInfo>();
    client.and_then(|client| client.ip_address.as_deref()).unwrap_or("unknown")
}

fn refuse_unknown_parameters(parts: &Parts, declared: &DeclaredParameters) -> Result<(), ApiError> {
    let Some(query) = parts.uri.query() else {
        return Ok(());
    };
    // axum answers HEAD by the handler of GET.
    let method = if parts.method == Method::HEAD { &Method::GET } else { &parts.method };
    let declared = declared.iter().find(|(declared, _)| declared == method);
    refuse_unknown(query, declared.map_or(&[], |(_, names)| names))
}

async fn count(
    connection: &mut Connection,
    state: &AccessState,
    rate: Rate,
    parts: &Parts,
    caller: Option<&Caller>,
) -> Result<Option<RateLimitStatus>, ApiError> {
    let subject = match caller {
        Some(caller) => caller.rate_limit_key(),
        None => format!("address:{}", address(parts)),
    };
    let path = parts.extensions.get::<MatchedPath>().map_or_else(|| parts.uri.path(), MatchedPath::as_str);
    let route = format!("{} {path}", parts.method);
    rate::take(connection, state.rate_limits, rate, &subject, &route).await
}

/// Checks the caller's access. The only place that makes this decision.
async fn authorize(
    required: Access,
    caller: &Caller,
    connection: &mut Connection,
    parts: &mut Parts,
) -> Result<(), ApiError> {
    match required {
        Access::Public => Ok(()),
        Access::Caller(scope) | Access::Collections(scope) => caller.require_scope(scope),
        Access::UnrestrictedKey(scope) => caller.require_unrestricted(scope),
        Access::UserSession => caller.require_user_session(),
        Access::Superuser => caller.require_superuser(),
        Access::Collection(access) | Access::CollectionUserSession(access) => {
            let id = path_parameter::<CollectionId>(parts, "collection_id", "collection").await?;
            let found = granted::collection(connection, caller, id, access).await?;
            parts.extensions.insert(found);
            if matches!(required, Access::CollectionUserSession(_)) {
                caller.require_user_session()
            } else {
                Ok(())
            }
        }
        Access::Operation(access) => {
            let id = path_parameter::<OperationId>(parts, "operation_id", "operation").await?;
            let found = granted::operation(connection, caller, id, access).await?;
            parts.extensions.insert(found);
            Ok(())
        }
    }
}

/// Parses the id in the path.
///
/// # Errors
/// Returns `NotFound` if it cannot be parsed: it identifies nothing.
async fn path_parameter<T: std::str::FromStr>(
    parts: &mut Parts,
    name: &'static str,
    resource: &str,
) -> Result<T, ApiError> {
    let Ok(parameters) = RawPathParams::from_request_parts(parts, &()).await else {
        return Err(AccessError::NoPathParameter(name).into());
    };
    let Some((_, text)) = parameters.iter().find(|(key, _)| *key == name) else {
        return Err(AccessError::NoPathParameter(name).into());
    };
    text.parse().map_err(|_| ApiError::not_found(resource, format!("{text:?}")))
}
