//! Compares the statement with a model of the rule in Rust, on random worlds.

use std::collections::BTreeMap;
use std::fmt::Write;

use domain::{ApiKeyId, UserId};
use proptest::collection::{btree_map, vec};
use proptest::prelude::{Just, Strategy, any};
use proptest::sample::{select, subsequence};
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;
use sqlx::PgPool;

use super::*;
use crate::Db;

const USERS: i64 = 4;
const COLLECTIONS: u128 = 5;
const WORLDS: usize = 40;
const GRANTS: [AccessLevel; 3] = [AccessLevel::Read, AccessLevel::Write, AccessLevel::Admin];

#[derive(Debug, Clone)]
struct Shared {
    owner: i64,
    is_public: bool,
    is_deleted: bool,
}

#[derive(Debug, Clone)]
struct Key {
    user: i64,
    scope: AccessLevel,
    /// The collections that it is limited to.
    only: Option<Vec<u128>>,
    is_active: bool,
}

#[derive(Debug, Clone)]
struct World {
    /// Numbered from 1, like the keys.
    collections: Vec<Shared>,
    keys: Vec<Key>,
    to_users: BTreeMap<(u128, i64), AccessLevel>,
    to_keys: BTreeMap<(u128, u128), AccessLevel>,
}

fn worlds() -> impl Strategy<Value = World> {
    let shared = (1..=USERS, any::<bool>(), proptest::bool::weighted(0.1))
        .prop_map(|(owner, is_public, is_deleted)| Shared { owner, is_public, is_deleted });
    let only = proptest::option::of(subsequence((1..=COLLECTIONS).collect::<Vec<_>>(), 0..=3));
    let key = (1..=USERS, select(&GRANTS[..]), only, proptest::bool::weighted(0.9))
        .prop_map(|(user, scope, only, is_active)| Key { user, scope, only, is_active });
    let collections = vec(shared, usize::try_from(COLLECTIONS).unwrap_or(0));
    (collections, vec(key, 1..=6)).prop_flat_map(|(collections, keys)| {
        let to_users = btree_map((1..=COLLECTIONS, 1..=USERS), select(&GRANTS[..]), 0..=8);
        let to_keys = btree_map((1..=COLLECTIONS, 1..=keys.len() as u128), select(&GRANTS[..]), 0..=6);
        (Just(collections), Just(keys), to_users, to_keys)
            .prop_map(|(collections, keys, to_users, to_keys)| World { collections, keys, to_users, to_keys })
    })
}

impl World {
    /// The model of the rule.
    fn access(
        &self,
        user: i64,
        key: Option<u128>,
        collection: u128,
        public_counts: bool,
    ) -> Option<AccessLevel> {
        let shared = &self.collections[usize::try_from(collection - 1).unwrap()];
        if shared.is_deleted {
            return None;
        }
        let as_user = [
            (shared.owner == user).then_some(AccessLevel::Owner),
            self.to_users.get(&(collection, user)).copied(),
            (shared.is_public && public_counts).then_some(AccessLevel::Read),
        ];
        let as_user = as_user.into_iter().max().flatten();
        let Some(number) = key else {
            return as_user;
        };
        let key = &self.keys[usize::try_from(number - 1).unwrap()];
        if !key.is_active {
            return None;
        }
        let reaches = key.only.as_ref().is_none_or(|only| only.contains(&collection));
        let most = if key.scope == AccessLevel::Admin { AccessLevel::Owner } else { key.scope };
        let reached = as_user.filter(|_| reaches).max(self.to_keys.get(&(collection, number)).copied());
        reached.map(|access| access.min(most))
    }

    fn callers(&self) -> Vec<(i64, Option<u128>)> {
        let keys = self.keys.iter().zip(1_u128..).map(|(key, number)| (key.user, Some(number)));
        (1..=USERS).map(|user| (user, None)).chain(keys).collect()
    }

    fn sql(&self) -> String {
        let mut sql = String::from(
            "DELETE FROM collections; DELETE FROM api_keys;
            INSERT INTO users (id, username, email, hashed_password) OVERRIDING SYSTEM VALUE
                SELECT n, 'user' || n, n || '@example.org', 'x' FROM generate_series(1, 4) n ON CONFLICT DO NOTHING;",
        );
        let mut add = |part: String| sql.push_str(&part);
        for (shared, n) in self.collections.iter().zip(1_u128..) {
            let Shared { owner, is_public, is_deleted } = shared;
            add(format!(
                "INSERT INTO collections (id, name, owner_id, vector_store_name, embedding_model, chunk_size, chunk_overlap,
                    is_public, deleted_at)
                VALUES ('{}', 'c{n}', {owner}, 'v{n}', 'm', 256, 51, {is_public}, CASE WHEN {is_deleted} THEN now() END);",
                Uuid::from_u128(n)
            ));
        }
        for (key, n) in self.keys.iter().zip(1_u128..) {
            let only = key.only.as_ref().map_or("NULL".to_owned(), |only| {
                let mut list = String::from("'{");
                for (position, id) in only.iter().enumerate() {
                    let comma = if position > 0 { "," } else { "" };
                    write!(list, "{comma}{}", Uuid::from_u128(*id)).unwrap();
                }
                list + "}'"
            });
            add(format!(
                "INSERT INTO api_keys (id, user_id, name, key_hash, scope, collection_ids, is_active)
                VALUES ('{}', {}, 'k{n}', 'h{n}', '{}', {only}, {});",
                Uuid::from_u128(n),
                key.user,
                key.scope.as_str(),
                key.is_active
            ));
        }
        for ((collection, user), access) in &self.to_users {
            add(format!(
                "INSERT INTO collection_permissions (collection_id, user_id, permission) VALUES ('{}', {user}, '{}');",
                Uuid::from_u128(*collection),
                access.as_str()
            ));
        }
        for ((collection, key), access) in &self.to_keys {
            add(format!(
                "INSERT INTO collection_permissions (collection_id, api_key_id, permission) VALUES ('{}', '{}', '{}');",
                Uuid::from_u128(*collection),
                Uuid::from_u128(*key),
                access.as_str()
            ));
        }
        sql
    }
}

fn principal((user, key): (i64, Option<u128>)) -> Principal {
    Principal {
        user_id: UserId(user),
        username: format!("user{user}"),
        is_superuser: user == 1,
        api_key_id: key.map(|number| ApiKeyId(Uuid::from_u128(number))),
    }
}

fn by_id(found: Vec<AccessibleCollection>) -> BTreeMap<u128, AccessLevel> {
    found.into_iter().map(|found| (found.collection.id.0.as_u128(), found.access)).collect()
}

#[sqlx::test(migrator = "crate::MIGRATOR")]
async fn statement_agrees_with_the_model(pool: PgPool) {
    let db = Db::from_pool(pool.clone());
    let mut runner = TestRunner::deterministic();
    let mut decisions = BTreeMap::<Option<AccessLevel>, usize>::new();
    for _ in 0..WORLDS {
        let world = worlds().new_tree(&mut runner).unwrap().current();
        sqlx::raw_sql(sqlx::AssertSqlSafe(world.sql())).execute(&pool).await.unwrap();
        let mut connection = db.connection().await.unwrap();
        let mut collections = connection.collections();
        for caller in world.callers() {
            let principal = principal(caller);
            let rule = |public_counts: bool| {
                let ids = 1..=COLLECTIONS;
                ids.filter_map(|id| Some((id, world.access(caller.0, caller.1, id, public_counts)?)))
                    .collect::<BTreeMap<_, _>>()
            };
            for id in 1..=COLLECTIONS {
                let found = collections.find_accessible(CollectionId(Uuid::from_u128(id)), &principal);
                let found = found.await.unwrap().map(|found| found.access);
                assert_eq!(found, rule(true).get(&id).copied(), "{caller:?} and {id} in {world:#?}");
                *decisions.entry(found).or_default() += 1;
            }
            for include_public in [true, false] {
                let query = CollectionQuery { include_public, ..CollectionQuery::all(100, 0) };
                let listed = collections.list_accessible(&principal, &query).await.unwrap();
                assert_eq!(usize::try_from(listed.total).unwrap(), listed.items.len());
                assert_eq!(by_id(listed.items), rule(include_public), "{caller:?} in {world:#?}");
            }
            let ids: Vec<CollectionId> =
                (1..=COLLECTIONS).map(|id| CollectionId(Uuid::from_u128(id))).collect();
            let many = collections.find_accessible_many(&ids, &principal).await.unwrap();
            assert_eq!(by_id(many), rule(true), "{caller:?} in {world:#?}");
        }
    }
    eprintln!("{WORLDS} worlds, decisions: {decisions:?}");
    // Every answer occurred often enough to be meaningful.
    assert!(decisions.len() == 5 && decisions.values().all(|count| *count >= 30), "{decisions:?}");
}
