//! A `qdrant-local` process for one test.

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use qdrant_client::Qdrant;

const BINARY: &str = env!("CARGO_BIN_EXE_qdrant-local");
const TIMEOUT: Duration = Duration::from_secs(30);

/// A running process; killed when dropped.
#[derive(Debug)]
pub struct Server {
    process: Child,
    url: String,
    http_url: String,
}

impl Server {
    /// Starts on a free port and waits until it listens.
    pub fn start(storage: &Path) -> Self {
        let address = "127.0.0.1:0".parse().unwrap();
        Self::try_start(storage, address).unwrap_or_else(|error| panic!("{error}"))
    }

    /// Starts on `address`; returns the process's output if it exits instead of listening.
    pub fn try_start(storage: &Path, address: SocketAddr) -> Result<Self, String> {
        let mut process = Command::new(BINARY)
            .args(["--grpc", &address.to_string(), "--http", "127.0.0.1:0", "--storage"])
            .arg(storage)
            .env("NO_COLOR", "1")
            .env_remove("RUST_LOG")
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let stderr = BufReader::new(process.stderr.take().unwrap());
        let (lines, received) = mpsc::channel();
        // Reads to the end, so that the process never blocks on a full pipe.
        std::thread::spawn(move || {
            for line in stderr.lines().map_while(Result::ok) {
                eprintln!("qdrant-local: {line}");
                let _ = lines.send(line);
            }
        });
        let mut printed = Vec::new();
        let mut http_url = String::new();
        let url_of = |rest: &str| rest.split_whitespace().next().unwrap().to_owned();
        let deadline = Instant::now() + TIMEOUT;
        while let Ok(line) = received.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
            if let Some((_, rest)) = line.split_once("serving snapshots url=") {
                http_url = url_of(rest);
            }
            if let Some((_, rest)) = line.split_once("listening url=") {
                return Ok(Self { process, url: url_of(rest), http_url });
            }
            printed.push(line);
        }
        let _ = process.kill();
        let status = process.wait().unwrap();
        Err(format!("{status}\n{}", printed.join("\n")))
    }

    /// Returns a client of this process.
    pub fn client(&self) -> Qdrant {
        Qdrant::from_url(&self.url).skip_compatibility_check().build().unwrap()
    }

    /// Returns the address of its gRPC API.
    pub fn address(&self) -> SocketAddr {
        self.url.strip_prefix("http://").unwrap().parse().unwrap()
    }

    /// Returns the URL of its gRPC API.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Returns the URL of its HTTP API.
    pub fn http_url(&self) -> &str {
        &self.http_url
    }

    /// Ends it as a crash would: SIGKILL.
    pub fn kill(mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }

    /// Ends it as an operator would, by SIGTERM, without blocking clients.
    pub async fn stop(mut self) -> ExitStatus {
        let id = self.process.id().to_string();
        assert!(Command::new("kill").args(["-TERM", &id]).status().unwrap().success());
        let deadline = Instant::now() + TIMEOUT;
        loop {
            if let Some(status) = self.process.try_wait().unwrap() {
                return status;
            }
            assert!(Instant::now() < deadline, "still running after SIGTERM");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Runs `qdrant-local restore`.
pub fn restore(storage: &Path, snapshot: &Path, collection: &str) {
    let output = Command::new(BINARY)
        .args(["restore", "--collection", collection, "--snapshot"])
        .arg(snapshot)
        .arg("--storage")
        .arg(storage)
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}
