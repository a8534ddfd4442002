//! The integrity check's parameters, and starting a repair. What the check finds is tested on real parts in
//! `tests/interleaving`.

use http::Method;
use sqlx::PgPool;

use crate::harness::Api;

#[sqlx::test(migrator = "db::MIGRATOR")]
async fn a_repair_is_an_operation_and_pending_once(pool: PgPool) {
    let api = Api::new(pool);
    let ada = api.sign_up("ada").await;
    let path = api.create_collection(&ada, "notes").await;
    let repair = format!("{path}/integrity/repair");
    let first = api.send(Method::POST, &repair, &ada, None).await.expect(202);
    assert_eq!((&first["type"], &first["status"]), (&"repair".into(), &"pending".into()));
    let second = api.send(Method::POST, &repair, &ada, None).await.expect(202);
    assert_eq!(second["id"], first["id"], "the pending one is returned");
    let audit = api.get(&format!("{path}/audit-log?action=repair_started"), &ada).await.expect(200);
    assert_eq!(audit["total"], 1);
}

#[sqlx::test(migrator = "db::MIGRATOR")]
async fn a_check_that_cannot_be_made_says_what_is_allowed(pool: PgPool) {
    let api = Api::new(pool);
    let ada = api.sign_up("ada").await;
    let path = api.create_collection(&ada, "notes").await;
    let answer = api.get(&format!("{path}/integrity?cursor=x&limit=0"), &ada).await;
    let detail = answer.problem(422);
    for part in
        ["cursor: not a cursor; the next_cursor of an earlier response is allowed, got \"x\"", "limit: "]
    {
        assert!(detail.contains(part), "{detail}");
    }
    // Qdrant is needed to answer, and not there.
    api.get(&format!("{path}/integrity"), &ada).await.problem(503);
}
