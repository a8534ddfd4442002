//! What a server answers: packets, capabilities, refusals.

use std::fmt::Debug;
use std::time::Duration;

use bytes::Bytes;

use super::pkt_line::{InvalidPacket, Packet, Packets};
use crate::ConnectorError;
use crate::reader::Reading;

/// An answer that is being received.
pub(super) trait Pieces: Debug + Send {
    /// The next piece; `None` at the end.
    fn next(&mut self) -> Reading<'_, Option<Bytes>>;

    /// Receives what follows the last packet, so that the connection can be used again.
    fn finish(&mut self) -> Reading<'_, ()>;
}

/// What a server says that it can do, one capability per line.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Capabilities(Vec<String>);

/// What an answer may take.
#[derive(Debug, Clone, Copy)]
pub(crate) struct AnswerLimits {
    pub(crate) bytes: u64,
    pub(crate) time: Duration,
}

/// The packets of an answer.
#[derive(Debug)]
pub(crate) struct Answer<'a> {
    body: Box<dyn Pieces + 'a>,
    packets: Packets,
    bytes_left: u64,
    limits: AnswerLimits,
    host: String,
}

impl Capabilities {
    /// Reads the packets after the service's name.
    pub(super) async fn read(answer: &mut Answer<'_>) -> Result<Self, ConnectorError> {
        let mut lines = Vec::new();
        loop {
            match answer.next().await? {
                Packet::Data(line) => {
                    lines.push(String::from_utf8_lossy(&line).trim_end_matches('\n').to_owned());
                }
                // Over HTTP, the service's name comes first.
                Packet::Flush if lines.len() == 1 && lines[0].starts_with("# service=") => lines.clear(),
                Packet::Flush => break,
                Packet::Delimiter | Packet::ResponseEnd => return Err(answer.unexpected()),
            }
            if lines.len() == 1 && lines[0] != "version 2" && !lines[0].starts_with("# service=") {
                let reason = "it does not speak version 2 of git's protocol (git 2.18 of 2018 or later); over SSH, its sshd needs AcceptEnv GIT_PROTOCOL";
                return Err(ConnectorError::Forbidden {
                    what: answer.host.clone(),
                    reason: reason.to_owned(),
                });
            }
        }
        let capabilities = Self(lines);
        if let Some(format) = capabilities.value("object-format").filter(|format| *format != "sha1") {
            let reason = format!("its objects have the format {format:?}; only sha1 is supported");
            return Err(ConnectorError::Forbidden { what: answer.host.clone(), reason });
        }
        Ok(capabilities)
    }

    fn value(&self, name: &str) -> Option<&str> {
        self.0.iter().find_map(|line| line.strip_prefix(name)?.strip_prefix('='))
    }

    /// Whether the command `fetch` has this feature.
    pub(crate) fn fetch_has(&self, feature: &str) -> bool {
        self.value("fetch").is_some_and(|features| features.split(' ').any(|known| known == feature))
    }
}

impl<'a> Answer<'a> {
    pub(super) fn new(body: impl Pieces + 'a, limits: AnswerLimits, host: String) -> Self {
        Self { body: Box::new(body), packets: Packets::default(), bytes_left: limits.bytes, limits, host }
    }

    /// Returns the next packet.
    ///
    /// # Errors
    /// Returns `NotFound` or `Forbidden` with what the server says if it refuses, `Unavailable` if it stops.
    pub(crate) async fn next(&mut self) -> Result<Packet, ConnectorError> {
        loop {
            let packet = self.packets.next().map_err(|error| self.invalid(&error))?;
            match packet {
                Some(Packet::Data(line)) if line.starts_with(b"ERR ") => return Err(self.refusal(&line[4..])),
                Some(packet) => return Ok(packet),
                None => {}
            }
            let Some(piece) = self.body.next().await? else {
                return Err(ConnectorError::unavailable(&self.host, "its answer ended early"));
            };
            self.bytes_left =
                self.bytes_left.checked_sub(piece.len() as u64).ok_or_else(|| self.too_large())?;
            self.packets.push(&piece);
        }
    }

    /// Ends the answer after its last packet.
    pub(crate) async fn finish(&mut self) -> Result<(), ConnectorError> {
        self.body.finish().await
    }

    pub(crate) fn host(&self) -> &str {
        &self.host
    }

    /// The error for a packet that has no place where it came.
    pub(crate) fn unexpected(&self) -> ConnectorError {
        let reason = "it does not answer as a git server does; check the address".to_owned();
        ConnectorError::Forbidden { what: self.host.clone(), reason }
    }

    /// The error for what the server says instead of an answer.
    pub(crate) fn refusal(&self, message: &[u8]) -> ConnectorError {
        let message = readable(message);
        let what = format!("what was asked of {} ({message})", self.host);
        if message.contains("not our ref") || message.to_lowercase().contains("not found") {
            ConnectorError::NotFound { what }
        } else {
            ConnectorError::Forbidden { what: self.host.clone(), reason: format!("it says: {message}") }
        }
    }

    fn too_large(&self) -> ConnectorError {
        let (target, limit) = (self.host.clone(), self.limits.bytes);
        egress::EgressError::TooLarge { target, limit }.into()
    }

    fn invalid(&self, error: &InvalidPacket) -> ConnectorError {
        let reason = format!("it does not answer as a git server does ({error}); check the address");
        ConnectorError::Forbidden { what: self.host.clone(), reason }
    }
}

/// A message of a server, short and in one line.
pub(super) fn readable(message: &[u8]) -> String {
    const MAX_CHARS: usize = 200;
    let text = String::from_utf8_lossy(message);
    let words: Vec<&str> = text.split(|char: char| char.is_whitespace() || char.is_control()).collect();
    let line = words.into_iter().filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" ");
    line.chars().take(MAX_CHARS).collect()
}
