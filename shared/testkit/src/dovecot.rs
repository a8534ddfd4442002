//! A Dovecot of the test's own, without privileges: Debian's `dovecot-imapd`.

use std::fs;
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

/// Name of the account.
pub const DOVECOT_USER: &str = "ada@example.org";
/// Its password, with what is hard to quote.
pub const DOVECOT_PASSWORD: &str = "pässword \"7\"";

/// A mail server on this machine with one account. It stops when it is dropped.
#[derive(Debug)]
pub struct Dovecot {
    folder: TempDir,
    process: Child,
    /// The port that encrypts from the first byte.
    pub tls_port: u16,
    /// The port that does not, or after STARTTLS.
    pub port: u16,
}

impl Dovecot {
    /// Starts a server, and waits until it answers.
    pub fn start() -> Self {
        Self::start_with("ssl = yes")
    }

    /// Starts a server with this setting, and waits until it answers.
    pub fn start_with(setting: &str) -> Self {
        let folder = TempDir::new().unwrap();
        let path = folder.path().display();
        let [tls_port, port] = free_ports();
        make_certificate(&folder);
        let (user, group) = account();
        let config = format!(
            "base_dir = {path}/run\nstate_dir = {path}/state\nlog_path = {path}/log\nprotocols = imap\n\
             listen = 127.0.0.1\n{setting}\nssl_cert = <{path}/cert.pem\nssl_key = <{path}/key.pem\n\
             disable_plaintext_auth = no\nmail_location = maildir:{path}/mail\nfirst_valid_uid = 1\n\
             default_internal_user = {user}\ndefault_internal_group = {group}\ndefault_login_user = {user}\n\
             auth_failure_delay = 0\npassdb {{\n driver = passwd-file\n args = {path}/users\n}}\n\
             userdb {{\n driver = static\n args = uid={user} gid={group} home={path}/home\n}}\n\
             namespace inbox {{\n inbox = yes\n separator = /\n mailbox Trash {{\n special_use = \\Trash\n auto = create\n }}\n}}\n\
             service anvil {{\n chroot =\n}}\nservice imap-login {{\n chroot =\n\
             inet_listener imap {{\n port = {port}\n }}\n inet_listener imaps {{\n port = {tls_port}\n }}\n}}\n"
        );
        fs::write(folder.path().join("dovecot.conf"), config).unwrap();
        fs::write(folder.path().join("users"), format!("{DOVECOT_USER}:{{PLAIN}}{DOVECOT_PASSWORD}\n"))
            .unwrap();
        for name in ["mail", "home", "run", "state"] {
            fs::create_dir(folder.path().join(name)).unwrap();
        }
        own(folder.path());
        let process = unprivileged("dovecot")
            .args(["-F", "-c"])
            .arg(folder.path().join("dovecot.conf"))
            .stdout(Stdio::null())
            .spawn()
            .expect("dovecot starts; scripts/install-servers installs it");
        let mut server = Self { folder, process, tls_port, port };
        server.wait();
        server
    }

    #[expect(clippy::disallowed_methods, reason = "the server is this test's own")]
    fn wait(&mut self) {
        let deadline = Instant::now() + Duration::from_secs(20);
        while TcpStream::connect(("127.0.0.1", self.port)).is_err() {
            let log = fs::read_to_string(self.folder.path().join("log")).unwrap_or_default();
            assert!(self.process.try_wait().unwrap().is_none(), "dovecot has ended: {log}");
            assert!(Instant::now() < deadline, "dovecot does not answer: {log}");
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// The file of certificate authorities that trusts this server.
    pub fn ca_file(&self) -> PathBuf {
        self.folder.path().join("cert.pem")
    }

    /// Runs `doveadm` and returns what it prints.
    pub fn doveadm(&self, arguments: &[&str]) -> String {
        let config = self.folder.path().join("dovecot.conf");
        let output = unprivileged("doveadm").arg("-c").arg(config).args(arguments).output().unwrap();
        assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }

    /// Delivers mails to a mailbox, which is created if need be.
    pub fn deliver(&self, mailbox: &str, mails: impl IntoIterator<Item = String>) {
        if !self.doveadm(&["mailbox", "list", "-u", DOVECOT_USER]).lines().any(|name| name == mailbox) {
            self.doveadm(&["mailbox", "create", "-u", DOVECOT_USER, mailbox]);
        }
        for (number, mail) in mails.into_iter().enumerate() {
            let file = self.folder.path().join("home").join(format!("mail{number}"));
            fs::write(&file, mail).unwrap();
            own(&self.folder.path().join("home"));
            self.doveadm(&["save", "-u", DOVECOT_USER, "-m", mailbox, file.to_str().unwrap()]);
        }
    }

    /// Puts many mails into the inbox at once.
    pub fn fill(&self, mails: impl IntoIterator<Item = String>) {
        let new = self.folder.path().join("mail/new");
        for name in ["new", "cur", "tmp"] {
            fs::create_dir_all(self.folder.path().join("mail").join(name)).unwrap();
        }
        for (number, mail) in mails.into_iter().enumerate() {
            fs::write(new.join(format!("{}.M{number}.test", 1_700_000_000 + number)), mail).unwrap();
        }
        own(&self.folder.path().join("mail"));
    }
}

impl Drop for Dovecot {
    fn drop(&mut self) {
        // It ends its own processes; a kill would leave them.
        let stopped = Command::new("kill").arg(self.process.id().to_string()).status();
        if stopped.is_err() || self.process.wait().is_err() {
            eprintln!("dovecot {} could not be stopped", self.process.id());
        }
    }
}

fn is_root() -> bool {
    fs::metadata("/proc/self").unwrap().uid() == 0
}

fn account() -> (String, String) {
    if is_root() {
        return ("nobody".to_owned(), "nogroup".to_owned());
    }
    let id = |option: &str| {
        let output = Command::new("id").arg(option).output().unwrap();
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    };
    (id("-un"), id("-gn"))
}

/// Dovecot refuses to serve mail as root.
fn unprivileged(program: &str) -> Command {
    if !is_root() {
        return Command::new(program);
    }
    let mut command = Command::new("setpriv");
    command.args(["--reuid=nobody", "--regid=nogroup", "--clear-groups", program]);
    command
}

fn own(folder: &Path) {
    if is_root() {
        let owned = Command::new("chown").args(["-R", "nobody:nogroup"]).arg(folder).status();
        assert!(owned.unwrap().success());
    }
}

fn free_ports() -> [u16; 2] {
    let listeners = [(); 2].map(|()| TcpListener::bind("127.0.0.1:0").unwrap());
    listeners.map(|listener| listener.local_addr().unwrap().port())
}

/// A certificate for 127.0.0.1 that nobody else has signed.
fn make_certificate(folder: &TempDir) {
    let output = Command::new("openssl")
        .args(["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"])
        .args(["-days", "2", "-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1"])
        .args(["-addext", "basicConstraints=critical,CA:FALSE", "-keyout"])
        .arg(folder.path().join("key.pem"))
        .arg("-out")
        .arg(folder.path().join("cert.pem"))
        .output()
        .expect("openssl is installed");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}
