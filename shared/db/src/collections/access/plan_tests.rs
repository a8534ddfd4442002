//! Query plans: the access decision about one collection reads few rows among thousands.

use serde_json::Value;
use sqlx::{AssertSqlSafe, PgConnection, PgPool, Row};

/// 5,000 collections of 1,000 users, some public; 20,000 permissions of users and 1,000 of keys.
const MANY: &str = "
    INSERT INTO users (username, email, hashed_password)
        SELECT 'user' || n, n || '@example.org', 'x' FROM generate_series(1, 1000) n;
    INSERT INTO api_keys (id, user_id, name, key_hash)
        SELECT lpad(n::text, 32, '0')::uuid, n, 'key', sha256(n::text::bytea) FROM generate_series(1, 1000) n;
    INSERT INTO collections (id, name, owner_id, vector_store_name, embedding_model, chunk_size, chunk_overlap, is_public)
        SELECT lpad(n::text, 32, '0')::uuid, 'c' || n, 1 + n % 1000, 'v' || n, 'm', 256, 51, n % 100 = 0
        FROM generate_series(1, 5000) n;
    INSERT INTO collection_permissions (collection_id, user_id, permission)
        SELECT lpad(n::text, 32, '0')::uuid, 1 + (n + shift) % 1000, 'read'
        FROM generate_series(1, 5000) n, unnest(ARRAY[1, 7, 77, 777]) shift;
    INSERT INTO collection_permissions (collection_id, api_key_id, permission)
        SELECT lpad(n::text, 32, '0')::uuid, lpad(n::text, 32, '0')::uuid, 'write' FROM generate_series(1, 1000) n;
    ANALYZE";

/// Rows that a plan's scans of a table read, and whether one of them was sequential.
#[derive(Debug, Default, PartialEq)]
struct Reads {
    rows: u64,
    is_sequential: bool,
}

fn reads(plan: &Value, table: &str) -> Reads {
    let mut reads = Reads::default();
    let loops = plan["Actual Loops"].as_f64().unwrap_or(0.0);
    if plan["Relation Name"] == table && loops > 0.0 {
        let removed = plan["Rows Removed by Filter"].as_f64().unwrap_or(0.0);
        let rows = loops * (plan["Actual Rows"].as_f64().unwrap_or(0.0) + removed);
        reads.rows = format!("{rows:.0}").parse().unwrap();
        reads.is_sequential = plan["Node Type"] == "Seq Scan";
    }
    for part in plan["Plans"].as_array().into_iter().flatten() {
        let below = self::reads(part, table);
        reads.rows += below.rows;
        reads.is_sequential |= below.is_sequential;
    }
    reads
}

/// Runs the statement as a prepared one, with these IDs or for a list, and returns its plan.
async fn explain(connection: &mut PgConnection, user: i64, key: &str, ids: &str) -> Value {
    let arguments = format!("{user}, {key}, {ids}, TRUE, 100, 0, FALSE, NULL, NULL, 'created_at', FALSE");
    let statement = format!("EXPLAIN (ANALYZE, FORMAT JSON) EXECUTE accessible ({arguments})");
    let row = sqlx::raw_sql(AssertSqlSafe(statement)).fetch_one(connection).await.unwrap();
    let plan: Value = row.get(0);
    plan[0]["Plan"].clone()
}

#[sqlx::test(migrator = "crate::MIGRATOR")]
async fn access_to_one_collection_reads_one_row_of_each_table(pool: PgPool) {
    let mut connection = pool.acquire().await.unwrap();
    sqlx::raw_sql(MANY).execute(&mut *connection).await.unwrap();
    let prepare = format!(
        "PREPARE accessible AS {}",
        include_str!("../../../queries/collections/accessible_collections.sql")
    );
    sqlx::raw_sql(AssertSqlSafe(prepare)).execute(&mut *connection).await.unwrap();
    let key_7 = "'00000000-0000-0000-0000-000000000007'";
    let one = |n: i64| format!("ARRAY['{n:0>32}'::uuid]");
    for mode in ["force_custom_plan", "force_generic_plan"] {
        let set = format!("SET plan_cache_mode = {mode}");
        sqlx::raw_sql(AssertSqlSafe(set)).execute(&mut *connection).await.unwrap();
        // Owner, grantee, reader of a public one, key with a permission, stranger: all use an index.
        for (user, key, id, grants) in [
            (8, "NULL", 7, 0),
            (9, "NULL", 7, 1),
            (500, "NULL", 100, 0),
            (7, key_7, 7, 1),
            (300, "NULL", 7, 0),
        ] {
            let plan = explain(&mut connection, user, key, &one(id)).await;
            assert_eq!(
                reads(&plan, "collections"),
                Reads { rows: 1, is_sequential: false },
                "{mode} {plan:#}"
            );
            let granted = Reads { rows: grants, is_sequential: false };
            assert_eq!(reads(&plan, "collection_permissions"), granted, "{mode} {user} {key}");
            assert!(reads(&plan, "api_keys").rows <= 1, "{mode}");
        }
        // A list reads what the caller is related to: 5 own, 20 granted, 50 public ones of 5,000.
        let plan = explain(&mut connection, 8, "NULL", "NULL").await;
        let listed = reads(&plan, "collections");
        assert!(!listed.is_sequential && listed.rows <= 2 * 75, "{mode} {listed:?} {plan:#}");
        let granted = reads(&plan, "collection_permissions");
        assert!(!granted.is_sequential && granted.rows <= 2 * 20, "{mode} {granted:?} {plan:#}");
    }
}
