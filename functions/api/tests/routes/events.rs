//! The recorded HTTP events, decoded as the functions decode them.

use axum::body::Body;
use http::{HeaderValue, Request, header};
use lambda::http::request_from_event;
use sqlx::PgPool;

use crate::harness::Api;

fn request(event: &str) -> Request<Body> {
    request_from_event(event).unwrap()
}

#[sqlx::test(migrator = "db::MIGRATOR")]
async fn recorded_events_reach_their_routes(pool: PgPool) {
    let api = Api::new(pool).with_search();
    let registration = request(include_str!("../../../../events/api.json"));
    let registered = api.send_request(registration).await.expect(201);
    assert_eq!(registered["username"], "ada");

    let mut search = request(include_str!("../../../../events/search.json"));
    let grace = HeaderValue::from_str(&format!("Bearer {}", api.sign_up("grace").await)).unwrap();
    search.headers_mut().insert(header::AUTHORIZATION, grace.clone());
    // Decoded and authenticated; its collection does not exist here.
    api.send_request(search).await.problem(404);
    let mut mcp = request(include_str!("../../../../events/search-mcp.json"));
    mcp.headers_mut().insert(header::AUTHORIZATION, grace);
    let answer = api.send_request(mcp).await.expect(200);
    assert_eq!(answer["result"]["isError"], true, "she has no collections: {answer}");
}
