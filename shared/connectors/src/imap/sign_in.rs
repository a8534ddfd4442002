//! Connecting and signing in.

use std::net::IpAddr;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use domain::SecretType;
use secrecy::{ExposeSecret, SecretString};

use super::connection::{Connection, quoted};
use super::response::{Response, Status};
use crate::ConnectorError;
use crate::clients::Clients;

/// A user at a server.
#[derive(Debug, Clone)]
pub(crate) struct Account {
    pub(crate) host: String,
    pub(crate) port: u16,
    pub(crate) security: Security,
    pub(crate) username: String,
}

/// How the connection is encrypted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Security {
    /// From the first byte.
    Tls,
    /// After a command.
    StartTls,
    /// Not at all.
    None,
}

/// What a server can do, in capital letters.
type Capabilities = Vec<String>;

impl Account {
    /// Connects and signs in.
    pub(crate) async fn connect(&self, clients: &Clients) -> Result<Connection, ConnectorError> {
        let password = clients.secrets.require(SecretType::Password)?;
        let server = format!("{}:{}", self.host, self.port);
        let egress = &clients.egress;
        if self.security == Security::Tls {
            let stream = egress.connect_tls(&self.host, self.port).await?;
            let mut connection = Connection::new(Box::new(stream), &server);
            let is_signed_in = greet(&mut connection).await?;
            return self.sign_in(connection, is_signed_in, password).await;
        }
        let stream = egress.connect(&self.host, self.port).await?;
        let peer = stream.peer_addr().map_err(|error| ConnectorError::unavailable(&server, error))?.ip();
        let mut connection = Connection::new(Box::new(stream), &server);
        if self.security == Security::None {
            if !is_internal(peer) {
                return Err(ConnectorError::Forbidden {
                    what: server,
                    reason: "the password would be sent unencrypted to a public address; security tls and starttls are allowed"
                        .to_owned(),
                });
            }
            let is_signed_in = greet(&mut connection).await?;
            return self.sign_in(connection, is_signed_in, password).await;
        }
        // Whatever the server says before it is encrypted may be somebody else's.
        if greet(&mut connection).await? {
            return Err(not_encrypted(&connection));
        }
        let status = connection.command("STARTTLS", |_| {}).await?;
        if !status.is_ok() {
            return Err(not_encrypted(&connection));
        }
        let Some(stream) = connection.into_stream() else {
            return Err(ConnectorError::unavailable(
                server,
                "it sent data before the connection was encrypted",
            ));
        };
        let stream = egress.upgrade_tls(stream, &self.host, self.port).await?;
        self.sign_in(Connection::new(Box::new(stream), &server), false, password).await
    }

    async fn sign_in(
        &self,
        mut connection: Connection,
        is_signed_in: bool,
        password: &SecretString,
    ) -> Result<Connection, ConnectorError> {
        if is_signed_in {
            return Ok(connection);
        }
        let capabilities = capabilities(&mut connection).await?;
        let can = |name: &str| capabilities.iter().any(|capability| capability == name);
        let status = if can("AUTH=PLAIN") {
            self.authenticate(&mut connection, password, can("SASL-IR")).await?
        } else if can("LOGINDISABLED") {
            return Err(ConnectorError::SignIn {
                what: connection.server().to_owned(),
                reason: "it accepts no password on this connection; try security tls, or another server of the provider"
                    .to_owned(),
            });
        } else {
            let password = quoted(password.expose_secret())
                .map_err(|_| refused(&connection, "the password contains a line break or NUL"))?;
            let command = format!("LOGIN {} {password}", quoted(&self.username)?);
            connection.command(&command, |_| {}).await?
        };
        if status.is_ok() { Ok(connection) } else { Err(not_signed_in(&connection, &status, password)) }
    }

    /// The way to sign in that knows passwords in every script.
    async fn authenticate(
        &self,
        connection: &mut Connection,
        password: &SecretString,
        at_once: bool,
    ) -> Result<Status, ConnectorError> {
        let response = STANDARD.encode(format!("\0{}\0{}", self.username, password.expose_secret()));
        if at_once {
            return connection.command(&format!("AUTHENTICATE PLAIN {response}"), |_| {}).await;
        }
        let tag = connection.send("AUTHENTICATE PLAIN").await?;
        let deadline = Connection::deadline();
        loop {
            match connection.receive(deadline).await? {
                Response::Continue => connection.send_line(&response).await?,
                Response::Status(status) if status.tag.as_ref() == Some(&tag) => return Ok(status),
                _ => {}
            }
        }
    }
}

/// Waits for the greeting; returns whether the server takes the client for signed in.
async fn greet(connection: &mut Connection) -> Result<bool, ConnectorError> {
    match connection.receive(Connection::deadline()).await? {
        Response::Status(status) if status.is_ok() => Ok(false),
        Response::Status(status) if status.condition == "PREAUTH" => Ok(true),
        Response::Status(status) => Err(connection.refused(connection.server(), &status)),
        _ => Err(connection.broken("it does not speak IMAP".to_owned())),
    }
}

async fn capabilities(connection: &mut Connection) -> Result<Capabilities, ConnectorError> {
    let mut capabilities = Vec::new();
    let collect = connection.query("CAPABILITY", |items| {
        if let [first, rest @ ..] = items
            && first.is("CAPABILITY")
        {
            capabilities.extend(rest.iter().filter_map(|item| Some(item.text()?.to_ascii_uppercase())));
        }
    });
    collect.await?;
    Ok(capabilities)
}

fn not_encrypted(connection: &Connection) -> ConnectorError {
    refused(connection, "it does not encrypt the connection (STARTTLS); try security tls")
}

fn refused(connection: &Connection, reason: &str) -> ConnectorError {
    ConnectorError::SignIn { what: connection.server().to_owned(), reason: reason.to_owned() }
}

fn not_signed_in(connection: &Connection, status: &Status, password: &SecretString) -> ConnectorError {
    if matches!(status.code_name().as_str(), "UNAVAILABLE" | "SERVERBUG" | "INUSE" | "LIMIT" | "THROTTLED") {
        return connection.refused(connection.server(), status);
    }
    // A server might repeat what it was sent.
    let answer = match status.text.contains(password.expose_secret()) {
        true => String::new(),
        false => format!(" ({:?})", status.text),
    };
    let reason = format!(
        "the username or the password is wrong{answer}; set another one (secrets.password), where the provider asks for it an \
         app password"
    );
    ConnectorError::SignIn { what: connection.server().to_owned(), reason }
}

/// Whether an address belongs to this machine or a private network. Those are reached only if an operator has opened
/// them.
fn is_internal(address: IpAddr) -> bool {
    match address.to_canonical() {
        IpAddr::V4(address) => address.is_loopback() || address.is_private(),
        IpAddr::V6(address) => address.is_loopback() || address.is_unique_local(),
    }
}
