//! What happens to the sessions of an idle process, and to its next call.

use std::net::SocketAddr;

use secrecy::{ExposeSecret, SecretString};
use sqlx::ConnectOptions;
use sqlx::postgres::PgConnectOptions;
use tokio::net::{TcpListener, TcpStream};

use super::*;

/// The sessions that a program has on the database of the test, besides those of the test's own pool.
async fn sessions(pool: &PgPool) -> i64 {
    sqlx::query_scalar(
        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND application_name = 'semantik'",
    )
    .fetch_one(pool)
    .await
    .unwrap()
}

/// Waits for the server, which ends a session after the client has gone.
async fn sessions_become(pool: &PgPool, expected: i64) {
    let settled = async {
        while sessions(pool).await != expected {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), settled).await.unwrap();
}

fn config(pool: &PgPool) -> DbConfig {
    DbConfig::by_url(pool.connect_options().to_url_lossy().to_string())
}

#[sqlx::test(migrations = false)]
async fn the_server_ends_idle_sessions_and_the_next_call_connects_again(pool: PgPool) {
    let mut config = config(&pool);
    // The client would close them after half of that, if it were not blocked, as a frozen one is.
    config.idle_timeout = Some(Duration::from_millis(300));
    let db = Db::connect(&config).unwrap();
    db.ping().await.unwrap();
    assert_eq!(sessions(&pool).await, 1);
    std::thread::sleep(Duration::from_millis(1200));
    assert_eq!(sessions(&pool).await, 0, "the server ended it");
    db.ping().await.unwrap();
}

#[sqlx::test(migrations = false)]
async fn a_process_that_is_not_frozen_closes_its_idle_connections(pool: PgPool) {
    let mut config = config(&pool);
    config.idle_timeout = Some(Duration::from_secs(2));
    let db = Db::connect(&config).unwrap();
    db.ping().await.unwrap();
    let timeout: String = sqlx::query_scalar("SHOW idle_session_timeout")
        .fetch_one(&mut *db.acquire().await.unwrap())
        .await
        .unwrap();
    assert_eq!(timeout, "2s");
    sessions_become(&pool, 0).await;
}

#[sqlx::test(migrations = false)]
async fn idle_connections_are_closed_on_request_and_used_ones_are_not(pool: PgPool) {
    let db = Db::connect(&config(&pool)).unwrap();
    let (used, idle) = (db.connection().await.unwrap(), db.connection().await.unwrap());
    drop(idle);
    assert_eq!(sessions(&pool).await, 2);
    db.close_idle_connections().await;
    sessions_become(&pool, 1).await;
    drop(used);
    db.close_idle_connections().await;
    sessions_become(&pool, 0).await;
    db.ping().await.unwrap();
}

/// A port that refuses connections, until it leads to the server.
#[expect(clippy::disallowed_methods, reason = "the address is that of the tests' own server")]
async fn resume_after(delay: Duration, options: &PgConnectOptions) -> SocketAddr {
    let server = format!("{}:{}", options.get_host(), options.get_port());
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    tokio::spawn(async move {
        tokio::time::sleep(delay).await;
        let listener = TcpListener::bind(address).await.unwrap();
        loop {
            let (mut client, _) = listener.accept().await.unwrap();
            let mut server = TcpStream::connect(&server).await.unwrap();
            tokio::spawn(async move { tokio::io::copy_bidirectional(&mut client, &mut server).await });
        }
    });
    address
}

#[sqlx::test(migrations = false)]
async fn the_first_connection_waits_for_a_database_that_resumes_and_later_ones_do_not(pool: PgPool) {
    let resumes = Duration::from_secs(2);
    let address = resume_after(resumes, &pool.connect_options()).await;
    let mut config = config(&pool);
    let url: PgConnectOptions = config.access.url.expose_secret().parse().unwrap();
    let url = url.host("127.0.0.1").port(address.port());
    config.access.url = SecretString::from(url.to_url_lossy().to_string());
    config.acquire_timeout = resumes / 4;
    config.resume_timeout = 4 * resumes;
    let db = Db::connect(&config).unwrap();
    db.ping().await.unwrap();
    // It was just used: now the shorter timeout applies.
    let mut held = Vec::new();
    for _ in 0..config.max_connections {
        held.push(db.connection().await.unwrap());
    }
    let started = Instant::now();
    assert!(matches!(db.ping().await, Err(DbError::Unavailable(_))));
    assert!(started.elapsed() < resumes, "{:?}", started.elapsed());
    drop(held);
}
