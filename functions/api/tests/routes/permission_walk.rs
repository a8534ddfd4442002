//! Every route of the api and search functions, called in every role: the access rule that the OpenAPI
//! document declares is enforced.
//!
//! The routes come from `/api/openapi.json`, the expected status from each route's `x-access` and the role,
//! so that no route can be forgotten. Rejected requests change nothing in the database.

mod roles;
mod world;

use http::Method;
use serde_json::{Value, json};
use sqlx::{AssertSqlSafe, PgPool};

use self::roles::{Expected, ROLES, Role};
use self::world::World;
use crate::harness::Api;

struct Route {
    method: Method,
    /// The path template, with the required query parameters.
    path: String,
    need: String,
    /// The example of the request body. An empty object for public routes, whose examples hold credentials
    /// that no user has.
    body: Option<Value>,
}

impl Route {
    fn is_safe(&self) -> bool {
        self.method == Method::GET
    }
}

/// Returns every operation of the OpenAPI document.
async fn routes(api: &Api) -> Vec<Route> {
    let document = api.get("/api/openapi.json", "").await.expect(200);
    let mut routes = Vec::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            let need = operation["x-access"].as_str();
            let need = need.unwrap_or_else(|| panic!("{method} {path} does not declare its access rule"));
            let content = &operation["requestBody"]["content"]["application/json"];
            let example = if need == "public" { json!({}) } else { content["example"].clone() };
            let parameters = operation["parameters"].as_array().into_iter().flatten();
            let query = parameters
                .filter(|parameter| parameter["in"] == "query" && parameter["required"] == true)
                .filter_map(|parameter| parameter["name"].as_str())
                .map(|name| format!("{name}={{{name}}}"));
            let query = query.collect::<Vec<_>>().join("&");
            let separator = if query.is_empty() { "" } else { "?" };
            routes.push(Route {
                method: Method::from_bytes(method.to_uppercase().as_bytes()).unwrap(),
                path: format!("{path}{separator}{query}"),
                need: need.to_owned(),
                body: content.is_object().then_some(example),
            });
        }
    }
    routes
}

/// Digests of all tables except the rate limit counters.
struct Storage {
    statement: String,
}

impl Storage {
    async fn new(pool: &PgPool) -> Self {
        let tables: Vec<String> = sqlx::query_scalar(
            "SELECT table_name::text FROM information_schema.tables \
             WHERE table_schema = 'public' AND table_type = 'BASE TABLE' \
               AND table_name NOT IN ('request_throttles', '_sqlx_migrations') ORDER BY table_name",
        )
        .fetch_all(pool)
        .await
        .unwrap();
        let digests = tables.iter().map(|table| {
            format!(
                "SELECT '{table}', md5(string_agg(row::text, ' ' ORDER BY row::text)) FROM {table} AS row"
            )
        });
        Self { statement: digests.collect::<Vec<_>>().join(" UNION ALL ") }
    }

    /// Returns a digest per table.
    async fn digest(&self, pool: &PgPool) -> Vec<(String, Option<String>)> {
        let mut tables: Vec<(String, Option<String>)> =
            sqlx::query_as(AssertSqlSafe(self.statement.clone())).fetch_all(pool).await.unwrap();
        // A parallel plan returns them in any order.
        tables.sort();
        tables
    }
}

struct Walk {
    api: Api,
    storage: Storage,
    /// Shared worlds for calls that change nothing: with a private collection, and with a public one.
    shared: [World; 2],
    next_world: usize,
    pairs: usize,
    wrong: Vec<String>,
}

impl Walk {
    /// Calls a route in a role, and records a deviation from the declaration.
    async fn call(&mut self, route: &Route, role: &Role, fresh: Option<&World>, expected: Expected) {
        let world = fresh.unwrap_or(&self.shared[usize::from(role.meets_public_collection())]);
        let path = world.path(&route.path, role);
        // Rules on collections named in the body cannot be checked without the body.
        let has_body = expected == Expected::Allowed || route.need.starts_with("collections:");
        let body = if has_body { route.body.as_ref() } else { None };
        let body = body.map(|example| world.body(example, role));
        let answer = self.api.send(route.method.clone(), &path, world.token(role), body.as_ref()).await;
        self.pairs += 1;
        let status = answer.status.as_u16();
        // The body of a public route is empty, see `Route::body`; every other body is the documented example.
        // A missing refresh token is 400, for clients of Semantik's v2 API.
        let incomplete = if route.path == "/api/auth/refresh" { 400 } else { 422 };
        let is_incomplete = route.need == "public" && body.is_some() && status == incomplete;
        if !expected.is_met_by(status) && !is_incomplete {
            self.wrong.push(format!(
                "{} {} requires {}; as {}: expected {expected:?}, got {} {}",
                route.method, route.path, route.need, role.name, answer.status, answer.body
            ));
        }
    }

    /// Calls a route in every role whose call must change nothing.
    async fn without_changes(&mut self, route: &Route) {
        let before = self.storage.digest(&self.api.pool).await;
        for role in &ROLES {
            let expected = Expected::of(&route.need, role);
            if route.is_safe() || expected != Expected::Allowed {
                self.call(route, role, None, expected).await;
            }
        }
        let after = self.storage.digest(&self.api.pool).await;
        let changed = before.iter().zip(&after).filter(|(before, after)| before != after);
        let changed: Vec<&str> = changed.map(|((table, _), _)| table.as_str()).collect();
        if !changed.is_empty() {
            self.wrong.push(format!(
                "{} {}: a read or a rejected request changed {}",
                route.method,
                route.path,
                changed.join(", ")
            ));
        }
    }

    /// Calls a route that changes something in every permitted role, each in a world of its own.
    async fn with_changes(&mut self, route: &Route) {
        for role in &ROLES {
            if Expected::of(&route.need, role) == Expected::Allowed {
                self.next_world += 1;
                let is_public = role.meets_public_collection();
                let world = World::create(&self.api.pool, &self.api.state, self.next_world, is_public).await;
                self.call(route, role, Some(&world), Expected::Allowed).await;
            }
        }
    }
}

#[sqlx::test(migrator = "db::MIGRATOR")]
async fn every_route_enforces_its_declared_access_in_every_role(pool: PgPool) {
    let api = Api::new(pool).with_search();
    let routes = routes(&api).await;
    // The user whom example bodies name.
    api.register("grace").await;
    let shared = [
        World::create(&api.pool, &api.state, 0, false).await,
        World::create(&api.pool, &api.state, 1, true).await,
    ];
    let storage = Storage::new(&api.pool).await;
    let mut walk = Walk { api, storage, shared, next_world: 1, pairs: 0, wrong: Vec::new() };
    for route in &routes {
        walk.without_changes(route).await;
    }
    for route in routes.iter().filter(|route| !route.is_safe()) {
        walk.with_changes(route).await;
    }
    assert!(
        walk.wrong.is_empty(),
        "{} of {} pairs:\n{}",
        walk.wrong.len(),
        walk.pairs,
        walk.wrong.join("\n")
    );
    assert_eq!(walk.pairs, routes.len() * ROLES.len());
    eprintln!(
        "permission walk: {} routes x {} roles = {} pairs, all as declared",
        routes.len(),
        ROLES.len(),
        walk.pairs
    );
}
