//! One connection to a server: commands, and what they answer.

use std::fmt;
use std::time::Duration;

use bytes::BytesMut;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::time::{Instant, timeout_at};

use super::framing::{Framed, Framing};
use super::response::{Item, Response, Status, parse};
use crate::ConnectorError;

/// The longest time without anything from the server, in which it may have to read a mailbox for the first time.
const IDLE: Duration = Duration::from_secs(30);
/// The longest time that a command may take.
const COMMAND: Duration = Duration::from_secs(120);
/// The most bytes of one response: the UIDs of a mailbox with two million mails.
const MAX_RESPONSE: u64 = 16 * 1024 * 1024;

/// A connection of bytes, encrypted or not.
pub(super) trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<S: AsyncRead + AsyncWrite + Send + Unpin> Stream for S {}

/// A connection. After an error it is of no more use.
pub(crate) struct Connection {
    stream: Box<dyn Stream>,
    server: String,
    received: BytesMut,
    framing: Framing,
    commands: u32,
    /// The mailbox that is open.
    opened: Option<(String, OpenMailbox)>,
}

/// The state of a mailbox when it was opened.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct OpenMailbox {
    /// With another one, UIDs stand for other mails.
    pub(super) validity: u32,
    /// The UID that the next mail gets.
    pub(super) next: u32,
    /// How many mails it has.
    pub(super) mails: u32,
}

impl Connection {
    /// Continues on an open connection to a server, whose name is for messages.
    pub(super) fn new(stream: Box<dyn Stream>, server: &str) -> Self {
        Self {
            stream,
            server: server.to_owned(),
            received: BytesMut::new(),
            framing: Framing::default(),
            commands: 0,
            opened: None,
        }
    }

    pub(super) fn server(&self) -> &str {
        &self.server
    }

    /// Gives up the connection; `None` if the server has sent what nobody has asked for.
    pub(super) fn into_stream(self) -> Option<Box<dyn Stream>> {
        self.received.is_empty().then_some(self.stream)
    }

    /// Sends a command and hands each untagged response to `each`. Returns how it ended, `OK` or not.
    pub(super) async fn command(
        &mut self,
        command: &str,
        mut each: impl FnMut(Response) + Send,
    ) -> Result<Status, ConnectorError> {
        let tag = self.send(command).await?;
        let deadline = Instant::now() + COMMAND;
        loop {
            match self.receive(deadline).await? {
                Response::Status(status) if status.tag.as_ref() == Some(&tag) => return Ok(status),
                Response::Status(status) if status.condition == "BYE" => {
                    return Err(self.broken(format!("it closed the connection: {}", status.text)));
                }
                other => each(other),
            }
        }
    }

    /// Sends a command that must succeed and hands the data of its responses to `each`.
    pub(super) async fn query(
        &mut self,
        command: &str,
        mut each: impl FnMut(&[Item]) + Send,
    ) -> Result<(), ConnectorError> {
        let status = self.command(command, |response| {
            if let Response::Data(items) = response {
                each(&items);
            }
        });
        let status = status.await?;
        if status.is_ok() { Ok(()) } else { Err(self.refused(&self.server, &status)) }
    }

    /// Opens a mailbox to read it, unless it is open: nothing that is read in it is marked as seen.
    pub(super) async fn examine(&mut self, raw_name: &str) -> Result<OpenMailbox, ConnectorError> {
        if let Some((name, mailbox)) = &self.opened
            && name == raw_name
        {
            return Ok(*mailbox);
        }
        self.opened = None;
        let mut mailbox = OpenMailbox::default();
        let command = format!("EXAMINE {}", quoted(raw_name)?);
        let status = self.command(&command, |response| match response {
            Response::Status(status) => match (status.code_name().as_str(), status.code_number()) {
                ("UIDVALIDITY", Some(number)) => mailbox.validity = number,
                ("UIDNEXT", Some(number)) => mailbox.next = number,
                _ => {}
            },
            Response::Data(items) => {
                if let [number, word] = items.as_slice()
                    && word.is("EXISTS")
                {
                    mailbox.mails = number.number().unwrap_or_default();
                }
            }
            Response::Continue => {}
        });
        let status = status.await?;
        if !status.is_ok() {
            return Err(self.closed(raw_name, &status));
        }
        if mailbox.validity == 0 {
            return Err(ConnectorError::Forbidden {
                what: format!("the mailbox {raw_name:?}"),
                reason:
                    "it has no UIDVALIDITY, so that mails cannot be told apart; ask whoever runs the server"
                        .to_owned(),
            });
        }
        self.opened = Some((raw_name.to_owned(), mailbox));
        Ok(mailbox)
    }

    /// Sends LOGOUT, without waiting for the response.
    pub(super) async fn log_out(mut self) {
        if let Err(error) = self.send("LOGOUT").await {
            tracing::debug!(error = error.to_string(), "the connection was closed before LOGOUT");
        }
    }

    /// Sends one line of a command that asked for more.
    pub(super) async fn send_line(&mut self, line: &str) -> Result<(), ConnectorError> {
        let line = format!("{line}\r\n");
        let written = async {
            self.stream.write_all(line.as_bytes()).await?;
            self.stream.flush().await
        };
        let written = tokio::time::timeout(IDLE, written).await;
        match written {
            Ok(Ok(())) => Ok(()),
            Ok(Err(error)) => Err(ConnectorError::unavailable(&self.server, error)),
            Err(_) => Err(self.broken(format!("it accepts nothing within {} s", IDLE.as_secs()))),
        }
    }

    /// Sends a command and returns its tag.
    pub(super) async fn send(&mut self, command: &str) -> Result<String, ConnectorError> {
        self.commands += 1;
        let tag = format!("S{}", self.commands);
        self.send_line(&format!("{tag} {command}")).await?;
        Ok(tag)
    }

    /// Receives the next response.
    pub(super) async fn receive(&mut self, deadline: Instant) -> Result<Response, ConnectorError> {
        loop {
            match self.framing.find_end(&self.received) {
                Framed::Complete(end) => {
                    let response = self.received.split_to(end).freeze();
                    return parse(&response)
                        .ok_or_else(|| self.broken("it sent a response that is not IMAP".to_owned()));
                }
                Framed::Longer(least) if least > MAX_RESPONSE => {
                    return Err(ConnectorError::Forbidden {
                        what: self.server.clone(),
                        reason: format!("it sent a response of more than {MAX_RESPONSE} bytes, the limit"),
                    });
                }
                Framed::Longer(_) => {}
            }
            let silent_at = deadline.min(Instant::now() + IDLE);
            self.received.reserve(64 * 1024);
            match timeout_at(silent_at, self.stream.read_buf(&mut self.received)).await {
                Ok(Ok(0)) => return Err(self.broken("it closed the connection".to_owned())),
                Ok(Ok(_)) => {}
                Ok(Err(error)) => return Err(ConnectorError::unavailable(&self.server, error)),
                Err(_) => return Err(self.broken("it does not answer in time".to_owned())),
            }
        }
    }

    /// When a command that begins now must have ended.
    pub(super) fn deadline() -> Instant {
        Instant::now() + COMMAND
    }

    pub(super) fn broken(&self, reason: String) -> ConnectorError {
        ConnectorError::unavailable(&self.server, reason)
    }

    /// The error of a command that the server refused.
    pub(super) fn refused(&self, what: &str, status: &Status) -> ConnectorError {
        let reason = format!("the server answered {} {:?}", status.condition, status.text);
        match status.code_name().as_str() {
            "LIMIT" | "OVERQUOTA" | "THROTTLED" => {
                ConnectorError::Throttled { what: self.server.clone(), retry_after: None }
            }
            "NONEXISTENT" => ConnectorError::NotFound { what: what.to_owned() },
            "NOPERM" | "AUTHORIZATIONFAILED" | "CANNOT" => {
                ConnectorError::Forbidden { what: what.to_owned(), reason }
            }
            // Servers that are overloaded or restart refuse with NO, too; what is wrong stays wrong when it is retried.
            _ if status.condition == "NO" => ConnectorError::unavailable(what, reason),
            _ => ConnectorError::Forbidden { what: what.to_owned(), reason },
        }
    }
}

impl Connection {
    /// The error of a mailbox that the server does not open.
    pub(super) fn closed(&self, raw_name: &str, status: &Status) -> ConnectorError {
        let what = format!("the mailbox {raw_name:?}");
        if status.condition == "NO" && status.code.is_empty() {
            let reason = format!("the server answered NO {:?}", status.text);
            return ConnectorError::Forbidden { what, reason };
        }
        self.refused(&what, status)
    }
}

impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connection").field("server", &self.server).finish_non_exhaustive()
    }
}

/// A string as commands contain it.
pub(super) fn quoted(text: &str) -> Result<String, ConnectorError> {
    if text.contains(['\r', '\n', '\0']) {
        let message = format!("contains a line break or NUL; other characters allowed, got {text:?}");
        return Err(ConnectorError::invalid("source_config", message));
    }
    Ok(format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\"")))
}
