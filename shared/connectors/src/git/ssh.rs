//! The protocol over SSH: one program on the server answers all commands of a connection.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use domain::SecretType;
use russh::client::{self, Handle};
use russh::keys::{Algorithm, HashAlg, PrivateKey, PrivateKeyWithHashAlg, PublicKey, PublicKeyOrCertificate};
use russh::{Channel, ChannelMsg, Preferred};
use secrecy::ExposeSecret;
use tokio::time::{Instant, timeout_at};

use super::answer::{Answer, AnswerLimits, Capabilities, Pieces, readable};
use super::remote::{Place, Remote};
use crate::clients::Clients;
use crate::reader::Reading;
use crate::{ConnectorError, Secrets};

/// The longest time until the program on the server runs.
const CONNECT_TIME: Duration = Duration::from_secs(20);
/// The longest time without anything from the server.
const IDLE_TIME: Duration = Duration::from_secs(30);
/// The most bytes of what the server prints for people.
const MAX_MESSAGE_BYTES: usize = 1024;

/// A connection on which `git-upload-pack` runs.
pub(crate) struct SshConnection {
    host: String,
    channel: Channel<client::Msg>,
    /// Ends the connection when it is dropped.
    _session: Handle<HostKey>,
    capabilities: Capabilities,
    /// What the server printed for people.
    message: Vec<u8>,
    answer_until: Instant,
}

impl SshConnection {
    pub(super) async fn open(place: &Place, clients: &Clients) -> Result<Self, ConnectorError> {
        let Remote::Ssh { user, host, port, path } = &place.remote else {
            return Err(ConnectorError::invalid("url", "not an address for SSH"));
        };
        let Some(host_key) = &place.host_key else {
            return Err(ConnectorError::invalid("host_key", "is required for SSH"));
        };
        let until = Instant::now() + CONNECT_TIME;
        let stream = clients.egress.connect(host, *port).await?;
        let opening = async {
            let config = Arc::new(config(host_key));
            let mut session = client::connect_stream(config, stream, HostKey(host_key.clone()))
                .await
                .map_err(|error| error.explain(host, host_key))?;
            sign_in(&mut session, host, user, &clients.secrets).await?;
            let channel = session.channel_open_session().await.map_err(|error| failed(host, error))?;
            // Servers answer without it, in a version of the protocol that is refused then.
            let version = channel.set_env(false, "GIT_PROTOCOL", "version=2").await;
            version.map_err(|error| failed(host, error))?;
            let command = format!("git-upload-pack '{}'", path.replace('\'', r"'\''"));
            channel.exec(true, command).await.map_err(|error| failed(host, error))?;
            Ok::<_, ConnectorError>((session, channel))
        };
        let (session, channel) = timeout_at(until, opening).await.map_err(|_| timed_out(host))??;
        let mut connection = Self {
            host: host.clone(),
            channel,
            _session: session,
            capabilities: Capabilities::default(),
            message: Vec::new(),
            answer_until: until,
        };
        let limits = AnswerLimits { bytes: 64 * 1024, time: CONNECT_TIME };
        let mut introduction = Answer::new(connection.pieces(), limits, host.clone());
        let capabilities = Capabilities::read(&mut introduction).await?;
        drop(introduction);
        connection.capabilities = capabilities;
        Ok(connection)
    }

    pub(super) fn host(&self) -> &str {
        &self.host
    }

    pub(super) fn capabilities(&self) -> &Capabilities {
        &self.capabilities
    }

    pub(super) async fn send(&mut self, command: Bytes, time: Duration) -> Result<(), ConnectorError> {
        self.answer_until = Instant::now() + time;
        let sending = self.channel.data_bytes(command);
        let sent = timeout_at(self.answer_until, sending).await.map_err(|_| timed_out(&self.host))?;
        sent.map_err(|error| failed(&self.host, error))
    }

    /// The answer to what was sent last.
    pub(super) fn pieces(&mut self) -> impl Pieces + '_ {
        SshAnswer(self)
    }

    /// The next piece of an answer; `None` if the program on the server has ended well.
    async fn next(&mut self) -> Result<Option<Bytes>, ConnectorError> {
        loop {
            let until = self.answer_until.min(Instant::now() + IDLE_TIME);
            let message = timeout_at(until, self.channel.wait()).await.map_err(|_| timed_out(&self.host))?;
            match message {
                Some(ChannelMsg::Data { data }) => return Ok(Some(data)),
                Some(ChannelMsg::ExtendedData { data, .. }) => {
                    let room = MAX_MESSAGE_BYTES.saturating_sub(self.message.len());
                    self.message.extend_from_slice(&data[..data.len().min(room)]);
                }
                Some(ChannelMsg::ExitStatus { exit_status: 0 }) => return Ok(None),
                Some(ChannelMsg::ExitStatus { .. } | ChannelMsg::ExitSignal { .. } | ChannelMsg::Failure) => {
                    return Err(self.refusal());
                }
                Some(ChannelMsg::Close) | None if !self.message.is_empty() => return Err(self.refusal()),
                Some(ChannelMsg::Close) | None => {
                    return Err(ConnectorError::unavailable(&self.host, "the connection ended"));
                }
                Some(_) => {}
            }
        }
    }

    /// What the server said before it gave up. Those that host repositories say "not found" for what a key may not read.
    fn refusal(&self) -> ConnectorError {
        let message = readable(&self.message);
        let what = format!("the repository on {} (it says: {message})", self.host);
        let lower = message.to_lowercase();
        if ["not found", "does not exist", "not appear to be a git repository"]
            .iter()
            .any(|text| lower.contains(text))
        {
            return ConnectorError::NotFound { what };
        }
        ConnectorError::Forbidden {
            what: self.host.clone(),
            reason: format!("git-upload-pack failed: {message}"),
        }
    }
}

#[derive(Debug)]
struct SshAnswer<'a>(&'a mut SshConnection);

impl Pieces for SshAnswer<'_> {
    fn next(&mut self) -> Reading<'_, Option<Bytes>> {
        Box::pin(self.0.next())
    }

    /// Nothing follows until the next command.
    fn finish(&mut self) -> Reading<'_, ()> {
        Box::pin(async { Ok(()) })
    }
}

impl std::fmt::Debug for SshConnection {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SshConnection").field("host", &self.host).finish_non_exhaustive()
    }
}

/// Reads the setting `host_key`: a public key, or a line of `ssh-keyscan`, which begins with the host.
pub(crate) fn parse_host_key(field: &'static str, text: &str) -> Result<PublicKey, ConnectorError> {
    let mut words =
        text.split_whitespace().skip_while(|word| !word.starts_with("ssh-") && !word.starts_with("ecdsa-"));
    let key = match (words.next(), words.next()) {
        (Some(algorithm), Some(key)) => PublicKey::from_openssh(&format!("{algorithm} {key}")).ok(),
        _ => None,
    };
    key.ok_or_else(|| {
        let message = format!(
            "wrong key; a line of `ssh-keyscan HOST` such as \"ssh-ed25519 AAAA…\" allowed, got {text:?}"
        );
        ConnectorError::invalid(field, message)
    })
}

/// Only the algorithm of the pinned key is offered, so that a server with several keys shows that one.
fn config(host_key: &PublicKey) -> client::Config {
    let algorithms = match host_key.algorithm() {
        Algorithm::Rsa { .. } => vec![
            Algorithm::Rsa { hash: Some(HashAlg::Sha512) },
            Algorithm::Rsa { hash: Some(HashAlg::Sha256) },
        ],
        other => vec![other],
    };
    let preferred = Preferred { key: Cow::Owned(algorithms), ..Preferred::default() };
    client::Config { preferred, inactivity_timeout: Some(IDLE_TIME), ..client::Config::default() }
}

async fn sign_in(
    session: &mut Handle<HostKey>,
    host: &str,
    user: &str,
    secrets: &Secrets,
) -> Result<(), ConnectorError> {
    let outcome = match (secrets.get(SecretType::SshKey), secrets.get(SecretType::Password)) {
        (None, Some(password)) => session.authenticate_password(user, password.expose_secret()).await,
        _ => {
            let key = Arc::new(private_key(host, secrets)?);
            let hash = match key.algorithm() {
                Algorithm::Rsa { .. } => {
                    let best =
                        session.best_supported_rsa_hash().await.map_err(|error| failed(host, error))?;
                    best.unwrap_or(Some(HashAlg::Sha512))
                }
                _ => None,
            };
            session.authenticate_publickey(user, PrivateKeyWithHashAlg::new(key, hash)).await
        }
    };
    if outcome.map_err(|error| failed(host, error))?.success() {
        return Ok(());
    }
    let reason = format!(
        "it does not accept the secret for the user {user:?}; check ssh_key (or password) and that its public key is known there"
    );
    Err(ConnectorError::SignIn { what: host.to_owned(), reason })
}

fn private_key(host: &str, secrets: &Secrets) -> Result<PrivateKey, ConnectorError> {
    let text = secrets.require(SecretType::SshKey)?.expose_secret();
    let passphrase = secrets.get(SecretType::SshPassphrase);
    let key = russh::keys::decode_secret_key(text, passphrase.map(ExposeSecret::expose_secret));
    key.map_err(|error| match error {
        russh::keys::Error::KeyIsEncrypted if passphrase.is_none() => {
            ConnectorError::SecretMissing { secret_type: SecretType::SshPassphrase }
        }
        // The cause could quote the key.
        _ if passphrase.is_some() => ConnectorError::SignIn {
            what: host.to_owned(),
            reason: "the secret ssh_key cannot be read with ssh_passphrase; check both".to_owned(),
        },
        _ => ConnectorError::SignIn {
            what: host.to_owned(),
            reason: "the secret ssh_key is not a private key (OpenSSH, PKCS#8 or PKCS#1)".to_owned(),
        },
    })
}

/// Accepts one key of the server.
#[derive(Debug)]
struct HostKey(PublicKey);

#[derive(Debug)]
enum HandshakeError {
    Ssh(russh::Error),
    /// The fingerprint of another key.
    OtherKey(String),
}

impl From<russh::Error> for HandshakeError {
    fn from(error: russh::Error) -> Self {
        Self::Ssh(error)
    }
}

impl client::Handler for HostKey {
    type Error = HandshakeError;

    async fn check_server_key(&mut self, shown: &PublicKeyOrCertificate) -> Result<bool, Self::Error> {
        let shown = shown.public_key();
        if shown.key_data() == self.0.key_data() {
            return Ok(true);
        }
        Err(HandshakeError::OtherKey(shown.fingerprint(HashAlg::Sha256).to_string()))
    }
}

impl HandshakeError {
    fn explain(self, host: &str, pinned: &PublicKey) -> ConnectorError {
        let shown = match self {
            Self::OtherKey(fingerprint) => format!("the key {fingerprint}"),
            Self::Ssh(russh::Error::NoCommonAlgo { .. }) => "no key of that type".to_owned(),
            Self::Ssh(error) => return failed(host, error),
        };
        let pinned = pinned.fingerprint(HashAlg::Sha256);
        let reason = format!(
            "host_key is {pinned}, and the server has {shown}; if it really has a new key, change host_key"
        );
        ConnectorError::Forbidden { what: host.to_owned(), reason }
    }
}

fn failed(host: &str, error: russh::Error) -> ConnectorError {
    ConnectorError::unavailable(host, error)
}

fn timed_out(host: &str) -> ConnectorError {
    ConnectorError::unavailable(host, "it did not answer in time")
}
