//! Registration, login and logout.

use futures_util::future::join_all;
use serde_json::json;
use testkit::{Stack, TestUser};

#[tokio::test]
async fn a_new_user_signs_in_refreshes_and_signs_out() {
    let mut user = TestUser::register(&Stack::from_env()).await;
    let me = user.get("/api/auth/me").await.expect(200);
    assert_eq!(me["username"], user.username.as_str());
    assert!(me.get("hashed_password").is_none());

    let first = user.refresh_token.clone();
    let pair = user.post("/api/auth/refresh", &json!({ "refresh_token": first })).await.expect(200);
    user.access_token = pair["access_token"].as_str().unwrap().to_owned();
    let second = pair["refresh_token"].as_str().unwrap().to_owned();
    assert_ne!(first, second);
    user.get("/api/auth/me").await.expect(200);

    user.post("/api/auth/logout", &json!({ "refresh_token": second })).await.expect(200);
    user.post("/api/auth/refresh", &json!({ "refresh_token": second })).await.expect(401);
}

#[tokio::test]
async fn a_reused_refresh_token_revokes_its_family() {
    let user = TestUser::register(&Stack::from_env()).await;
    let spent = json!({ "refresh_token": user.refresh_token });
    let pair = user.post("/api/auth/refresh", &spent).await.expect(200);
    user.post("/api/auth/refresh", &spent).await.expect(401);
    // The newer token may be in the hands of an attacker, so it is revoked, too.
    user.post("/api/auth/refresh", &json!({ "refresh_token": pair["refresh_token"] })).await.expect(401);
}

#[tokio::test]
async fn one_of_several_concurrent_refreshes_succeeds() {
    let user = TestUser::register(&Stack::from_env()).await;
    let body = json!({ "refresh_token": user.refresh_token });
    let answers = join_all((0..10).map(|_| user.post("/api/auth/refresh", &body))).await;
    let statuses: Vec<u16> = answers.iter().map(|answer| answer.status.as_u16()).collect();
    assert_eq!(statuses.iter().filter(|status| **status == 200).count(), 1, "{statuses:?}");
    assert_eq!(statuses.iter().filter(|status| **status == 401).count(), 9, "{statuses:?}");
}

#[tokio::test]
async fn one_of_several_concurrent_registrations_of_a_name_succeeds() {
    let stack = Stack::from_env();
    let anonymous = TestUser::anonymous(&stack);
    let username = testkit::unique("twin").replace('-', "_");
    let bodies: Vec<_> = (0..10)
        .map(|number| {
            json!({
                "username": username,
                "email": format!("{username}{number}@example.org"),
                "password": "correct horse battery",
            })
        })
        .collect();
    let answers = join_all(bodies.iter().map(|body| anonymous.post("/api/auth/register", body))).await;
    let mut statuses: Vec<u16> = answers.iter().map(|answer| answer.status.as_u16()).collect();
    statuses.sort_unstable();
    assert_eq!(statuses, [201, 409, 409, 409, 409, 409, 409, 409, 409, 409]);
}
