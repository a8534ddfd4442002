//! A route's declaration, and the layer that keeps it.

use auth::AccessTokens;
use axum::extract::{FromRequestParts, MatchedPath, RawPathParams, Request};
use axum::middleware::{Next, from_fn};
use axum::response::{IntoResponse, Response};
use chrono::Utc;
use db::{Connection, Db};
use domain::{CollectionId, OperationId};
use http::request::Parts;
use lambda::http::{ApiError, ClientInfo};
use utoipa_axum::router::UtoipaMethodRouter;

use crate::caller::Credential;
use crate::rate::{self, Quota};
use crate::{Access, AccessError, Caller, Rate, RateLimits, description, granted, idempotency};

/// What guards need. A router with declared routes has it as an `Extension` layer.
#[derive(Debug, Clone)]
pub struct AccessState {
    /// Where accounts, keys, collections and counts are.
    pub db: Db,
    /// What access tokens are checked with.
    pub tokens: AccessTokens,
    /// How far this installation keeps to the declared rates.
    pub rate_limits: RateLimits,
}

/// The declaration of one route.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Route {
    pub(crate) needs: Access,
    pub(crate) rate: Option<Rate>,
    pub(crate) is_idempotent: bool,
}

impl Route {
    /// A route that asks this of its caller, at the usual rate.
    pub const fn needs(needs: Access) -> Self {
        Self { needs, rate: Some(needs.default_rate()), is_idempotent: false }
    }

    /// One caller may use it this often.
    pub const fn limit(mut self, rate: Rate) -> Self {
        self.rate = Some(rate);
        self
    }

    /// It may be called as often as anyone likes: it costs nothing.
    pub const fn unlimited(mut self) -> Self {
        self.rate = None;
        self
    }

    /// It creates something, and takes an `Idempotency-Key` so that a repetition does not.
    pub const fn idempotent(mut self) -> Self {
        self.is_idempotent = true;
        self
    }

    /// Puts the declaration around a handler of `utoipa_axum::routes!`, and into its description.
    pub fn handles<S: Clone + Send + Sync + 'static>(
        self,
        handler: UtoipaMethodRouter<S>,
    ) -> UtoipaMethodRouter<S> {
        let (schemas, mut paths, method_router) = handler;
        description::declare(self, &mut paths);
        let layer = from_fn(move |request: Request, next: Next| pass(self, request, next));
        (schemas, paths, method_router.route_layer(layer))
    }
}

async fn pass(route: Route, request: Request, next: Next) -> Response {
    match check(route, request).await {
        Ok((request, quota)) => {
            let mut response = next.run(request).await;
            if let Some(quota) = quota {
                quota.write(response.headers_mut());
            }
            response
        }
        Err(error) => error.into_response(),
    }
}

async fn check(route: Route, request: Request) -> Result<(Request, Option<Quota>), ApiError> {
    let (mut parts, body) = request.into_parts();
    let state = parts.extensions.get::<AccessState>().cloned().ok_or(AccessError::NoState)?;
    let quota = match route.needs {
        Access::Public => match route.rate {
            Some(rate) => count(&mut state.db.connection().await?, &state, rate, &parts, None).await?,
            None => None,
        },
        needs => {
            let now = Utc::now();
            let credential = Credential::read(&parts.headers, &state.tokens, now)?;
            let mut connection = state.db.connection().await?;
            let caller = credential.caller(&mut connection, now).await?;
            let quota = match route.rate {
                Some(rate) => count(&mut connection, &state, rate, &parts, Some(&caller)).await?,
                None => None,
            };
            authorise(needs, &caller, &mut connection, &mut parts).await?;
            parts.extensions.insert(caller);
            quota
        }
    };
    let request = if route.is_idempotent {
        idempotency::note(&state.tokens, parts, body).await?
    } else {
        Request::from_parts(parts, body)
    };
    Ok((request, quota))
}

async fn count(
    connection: &mut Connection,
    state: &AccessState,
    rate: Rate,
    parts: &Parts,
    caller: Option<&Caller>,
) -> Result<Option<Quota>, ApiError> {
    let subject = match caller {
        Some(caller) => caller.subject(),
        None => {
            let client = parts.extensions.get::<ClientInfo>();
            let address = client.and_then(|client| client.ip_address.as_deref());
            format!("address:{}", address.unwrap_or("unknown"))
        }
    };
    let path = parts.extensions.get::<MatchedPath>().map_or_else(|| parts.uri.path(), MatchedPath::as_str);
    let route = format!("{} {path}", parts.method);
    rate::take(connection, state.rate_limits, rate, &subject, &route).await
}

/// The one place that decides whether a caller may use a route.
async fn authorise(
    needs: Access,
    caller: &Caller,
    connection: &mut Connection,
    parts: &mut Parts,
) -> Result<(), ApiError> {
    match needs {
        Access::Public => Ok(()),
        Access::Caller(scope) | Access::Collections(scope) => caller.require_scope(scope),
        Access::UnrestrictedKey(scope) => caller.require_everywhere(scope),
        Access::UserSession => caller.require_person(),
        Access::Superuser => caller.require_superuser(),
        Access::Collection(access) | Access::CollectionUserSession(access) => {
            let id = path_parameter::<CollectionId>(parts, "collection_id", "collection").await?;
            let found = granted::collection(connection, caller, id, access).await?;
            parts.extensions.insert(found);
            if matches!(needs, Access::CollectionUserSession(_)) { caller.require_person() } else { Ok(()) }
        }
        Access::Operation(access) => {
            let id = path_parameter::<OperationId>(parts, "operation_id", "operation").await?;
            let found = granted::operation(connection, caller, id, access).await?;
            parts.extensions.insert(found);
            Ok(())
        }
    }
}

/// # Errors
/// 404 for what is no id: it names nothing.
async fn path_parameter<T: std::str::FromStr>(
    parts: &mut Parts,
    name: &'static str,
    what: &str,
) -> Result<T, ApiError> {
    let Ok(parameters) = RawPathParams::from_request_parts(parts, &()).await else {
        return Err(AccessError::NoPathParameter(name).into());
    };
    let Some((_, text)) = parameters.iter().find(|(key, _)| *key == name) else {
        return Err(AccessError::NoPathParameter(name).into());
    };
    text.parse().map_err(|_| ApiError::not_found(what, format!("{text:?}")))
}
