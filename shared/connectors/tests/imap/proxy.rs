//! Between the connector and a server: counts what passes, and cuts the connection.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

pub struct Proxy {
    pub port: u16,
    traffic: Arc<Traffic>,
    running: JoinHandle<()>,
}

#[derive(Default)]
struct Traffic {
    sent: Mutex<Vec<u8>>,
    received: AtomicU64,
}

impl Proxy {
    /// Passes everything on to this port.
    pub async fn to(port: u16) -> Self {
        Self::cutting(port, u64::MAX).await
    }

    /// Closes each connection after this many bytes of the server.
    #[expect(clippy::disallowed_methods, reason = "the server is this test's own")]
    pub async fn cutting(port: u16, after: u64) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let own_port = listener.local_addr().unwrap().port();
        let traffic = Arc::new(Traffic::default());
        let shared = Arc::clone(&traffic);
        let running = tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let server = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
                tokio::spawn(pass(client, server, Arc::clone(&shared), after));
            }
        });
        Self { port: own_port, traffic, running }
    }

    /// The commands that were sent since the last call, without LOGOUT, whose arrival is not awaited.
    pub fn take_commands(&self) -> Vec<String> {
        let sent = std::mem::take(&mut *self.traffic.sent.lock().unwrap());
        let sent = String::from_utf8_lossy(&sent).into_owned();
        sent.lines().filter(|line| !line.ends_with("LOGOUT")).map(str::to_owned).collect()
    }

    /// The bytes that the server sent since the last call.
    pub fn take_received(&self) -> u64 {
        self.traffic.received.swap(0, Ordering::Relaxed)
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.running.abort();
    }
}

async fn pass(mut client: TcpStream, mut server: TcpStream, traffic: Arc<Traffic>, after: u64) {
    let (mut from_client, mut from_server) = (vec![0; 65536], vec![0; 65536]);
    let mut left = after;
    loop {
        tokio::select! {
            read = client.read(&mut from_client) => {
                let read = read.unwrap_or(0);
                if read == 0 || server.write_all(&from_client[..read]).await.is_err() {
                    return;
                }
                traffic.sent.lock().unwrap().extend(&from_client[..read]);
            }
            read = server.read(&mut from_server) => {
                let read = read.unwrap_or(0);
                let passed = read.min(usize::try_from(left).unwrap_or(usize::MAX));
                left -= passed as u64;
                traffic.received.fetch_add(passed as u64, Ordering::Relaxed);
                let written = client.write_all(&from_server[..passed]).await;
                if read == 0 || passed < read || left == 0 || written.is_err() {
                    return;
                }
            }
        }
    }
}
