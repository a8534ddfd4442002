//! nginx with a folder of its own, for tests of what reads websites.

use std::fmt::Write as _;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use tempfile::TempDir;

/// What finds out whether the server answers.
const PROBE: &str = "/is-it-up";

/// A web server on this machine that serves the files of a folder. It stops when it is dropped.
#[derive(Debug)]
pub struct WebServer {
    /// Its address, without a slash at the end.
    pub url: String,
    folder: TempDir,
    process: Child,
}

impl WebServer {
    /// Starts nginx, with further directives in its `server` block.
    ///
    /// # Panics
    /// Panics if nginx is not installed or does not start.
    pub async fn start(directives: &str) -> Self {
        let folder = tempfile::tempdir().expect("a folder can be created");
        let port = free_port();
        std::fs::create_dir(folder.path().join("site")).expect("a folder can be created");
        let configuration = folder.path().join("nginx.conf");
        std::fs::write(&configuration, configure(folder.path(), port, directives))
            .expect("a file can be written");
        let process = Command::new("nginx")
            .arg("-p")
            .arg(folder.path())
            .arg("-c")
            .arg(&configuration)
            .stderr(Stdio::null())
            .spawn()
            .expect("nginx starts; scripts/install-servers installs it");
        let server = Self { url: format!("http://127.0.0.1:{port}"), folder, process };
        server.wait_until_it_answers().await;
        server
    }

    /// Writes a file of the site.
    pub fn write(&self, path: &str, content: impl AsRef<[u8]>) {
        let file = self.site().join(path);
        std::fs::create_dir_all(file.parent().unwrap_or(&file)).expect("a folder can be created");
        std::fs::write(file, content).expect("a file can be written");
    }

    /// Deletes a file of the site.
    pub fn delete(&self, path: &str) {
        std::fs::remove_file(self.site().join(path)).expect("the file can be deleted");
    }

    /// Stops answering, as a server that is down.
    pub fn stop(&mut self) {
        self.process.kill().expect("nginx runs");
        self.process.wait().expect("nginx ends");
    }

    /// Takes the requests since the last call, each as `path status`, in their order.
    pub fn take_requests(&self) -> Vec<String> {
        let log = self.folder.path().join("access.log");
        let lines = std::fs::read_to_string(&log).expect("nginx writes a log");
        let requests = lines.lines().filter(|line| !line.starts_with(PROBE)).map(str::to_owned).collect();
        // nginx appends, so that an empty file goes on at its start.
        std::fs::write(&log, "").expect("the log can be emptied");
        requests
    }

    fn site(&self) -> PathBuf {
        self.folder.path().join("site")
    }

    async fn wait_until_it_answers(&self) {
        let http = crate::http_client().build().expect("an HTTP client can be made");
        for _ in 0..500 {
            if http.get(format!("{}{PROBE}", self.url)).send().await.is_ok() {
                return;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        let log = std::fs::read_to_string(self.folder.path().join("error.log"));
        panic!("nginx does not answer: {log:?}");
    }
}

impl Drop for WebServer {
    fn drop(&mut self) {
        // A test may have stopped it.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").and_then(|bound| bound.local_addr()).expect("a port is free").port()
}

/// One process, with all of its files in the folder. As root it serves as root, who can read the folder.
fn configure(folder: &Path, port: u16, directives: &str) -> String {
    let folder = folder.display();
    let mut text = String::new();
    let is_root = Command::new("id").arg("-u").output().is_ok_and(|id| id.stdout.starts_with(b"0"));
    if is_root {
        text.push_str("user root;\n");
    }
    let _ = write!(
        text,
        "daemon off; master_process off; pid {folder}/pid; error_log {folder}/error.log;
        events {{ worker_connections 64; }}
        http {{
            types {{ text/html html; text/plain txt; application/xml xml; application/pdf pdf; }}
            log_format requests '$uri $status';
            access_log {folder}/access.log requests;
            client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy; fastcgi_temp_path {folder}/fastcgi;
            uwsgi_temp_path {folder}/uwsgi; scgi_temp_path {folder}/scgi;
            server {{ listen 127.0.0.1:{port}; root {folder}/site; index index.html; {directives} }}
        }}
        ",
    );
    text
}
