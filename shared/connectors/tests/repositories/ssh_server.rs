//! sshd of OpenSSH, for the user that runs the tests.

use std::fs;
use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use tempfile::TempDir;

/// A server that knows one key. It ends with the test.
pub(crate) struct SshServer {
    pub(crate) port: u16,
    pub(crate) user: String,
    /// The host key, as the setting has it.
    pub(crate) host_key: String,
    folder: TempDir,
    process: Child,
}

impl SshServer {
    /// `accept_env` are the environment variables that clients may set.
    pub(crate) fn start(accept_env: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path();
        for name in ["host", "other_host"] {
            keygen(path, name, "ed25519", "");
        }
        keygen(path, "plain", "ed25519", "");
        keygen(path, "encrypted", "ed25519", "pass phrase");
        keygen(path, "rsa", "rsa", "");
        keygen(path, "unknown", "ed25519", "");
        let known = ["plain", "encrypted", "rsa"].map(|name| public_key(path, name)).join("\n");
        fs::write(path.join("authorized_keys"), known + "\n").unwrap();
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let config = format!(
            "ListenAddress 127.0.0.1:{port}\nHostKey {folder}/host\nAuthorizedKeysFile {folder}/authorized_keys\n\
             PidFile none\nUsePAM no\nStrictModes no\nPermitRootLogin prohibit-password\nPasswordAuthentication no\n\
             AcceptEnv {accept_env}\n",
            folder = path.display()
        );
        fs::write(path.join("sshd_config"), config).unwrap();
        let user = Command::new("id").arg("-un").output().unwrap().stdout;
        let user = String::from_utf8(user).unwrap().trim().to_owned();
        // Where sshd separates privileges if it has some; the package's service makes it.
        if user == "root" {
            fs::create_dir_all("/run/sshd").unwrap();
        }
        let mut sshd = Command::new("/usr/sbin/sshd");
        sshd.args(["-D", "-e", "-f"]).arg(path.join("sshd_config")).stderr(Stdio::piped());
        let mut process = sshd.spawn().expect("sshd is needed: apt-get install openssh-server");
        let mut log = BufReader::new(process.stderr.take().unwrap()).lines();
        let is_listening = log.any(|line| line.unwrap().starts_with("Server listening"));
        assert!(is_listening, "sshd does not listen on port {port}");
        // Read on, so that it can write on.
        std::thread::spawn(move || log.count());
        let host_key = public_key(path, "host");
        Self { port, user, host_key, folder, process }
    }

    pub(crate) fn private_key(&self, name: &str) -> String {
        fs::read_to_string(self.folder.path().join(name)).unwrap()
    }

    pub(crate) fn public_key(&self, name: &str) -> String {
        public_key(self.folder.path(), name)
    }

    pub(crate) fn url(&self, path: &Path) -> String {
        format!("ssh://{}@127.0.0.1:{}{}", self.user, self.port, path.display())
    }
}

impl Drop for SshServer {
    fn drop(&mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }
}

fn keygen(folder: &Path, name: &str, key_type: &str, passphrase: &str) {
    let mut command = Command::new("ssh-keygen");
    command.args(["-q", "-t", key_type, "-N", passphrase, "-C", "", "-f"]).arg(folder.join(name));
    assert!(command.status().unwrap().success());
}

fn public_key(folder: &Path, name: &str) -> String {
    fs::read_to_string(folder.join(format!("{name}.pub"))).unwrap().trim().to_owned()
}
