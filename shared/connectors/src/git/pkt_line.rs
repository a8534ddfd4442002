//! Lines of the protocol: <https://git-scm.com/docs/protocol-common#_pkt_line_format>

use bytes::{Buf, Bytes, BytesMut};

/// One packet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Packet {
    Data(Bytes),
    /// Ends an answer.
    Flush,
    /// Ends a section.
    Delimiter,
    /// Ends an answer over a connection without state.
    ResponseEnd,
}

/// Bytes that are no packet.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("a packet has the invalid length {0:?}")]
pub(crate) struct InvalidPacket(String);

/// Cuts a stream into packets.
#[derive(Debug, Default)]
pub(crate) struct Packets {
    buffer: BytesMut,
}

impl Packets {
    pub(crate) fn push(&mut self, bytes: &[u8]) {
        self.buffer.extend_from_slice(bytes);
    }

    /// Returns the next packet; `None` if it has not arrived whole.
    pub(crate) fn next(&mut self) -> Result<Option<Packet>, InvalidPacket> {
        let Some(prefix) = self.buffer.get(..4) else { return Ok(None) };
        let digits =
            str::from_utf8(prefix).ok().filter(|text| text.bytes().all(|byte| byte.is_ascii_hexdigit()));
        let length = digits.and_then(|digits| usize::from_str_radix(digits, 16).ok());
        let special = match length {
            Some(0) => Packet::Flush,
            Some(1) => Packet::Delimiter,
            Some(2) => Packet::ResponseEnd,
            Some(length) if length >= 4 => {
                if self.buffer.len() < length {
                    return Ok(None);
                }
                let mut packet = self.buffer.split_to(length);
                packet.advance(4);
                return Ok(Some(Packet::Data(packet.freeze())));
            }
            _ => return Err(InvalidPacket(String::from_utf8_lossy(prefix).into_owned())),
        };
        self.buffer.advance(4);
        Ok(Some(special))
    }
}

/// A request that is being written: a command and its arguments.
#[derive(Debug, Clone)]
pub(crate) struct Request(Vec<u8>);

impl Request {
    pub(crate) fn new(command: &str) -> Self {
        let mut request = Self(Vec::new());
        request.line(&format!("command={command}"));
        request.0.extend_from_slice(b"0001");
        request
    }

    pub(crate) fn argument(mut self, text: &str) -> Self {
        self.line(text);
        self
    }

    pub(crate) fn finish(mut self) -> Bytes {
        self.0.extend_from_slice(b"0000");
        self.0.into()
    }

    fn line(&mut self, text: &str) {
        self.0.extend_from_slice(format!("{:04x}{text}\n", text.len() + 5).as_bytes());
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn request_is_what_git_sends() {
        let request = Request::new("ls-refs").argument("peel").argument("ref-prefix HEAD").finish();
        assert_eq!(request, "0014command=ls-refs\n00010009peel\n0014ref-prefix HEAD\n0000");
    }

    #[test]
    fn invalid_lengths_are_refused() {
        for bytes in ["0003", "+012", "zzzz", "    ", "é00"] {
            let mut packets = Packets::default();
            packets.push(bytes.as_bytes());
            assert!(packets.next().is_err(), "{bytes}");
        }
    }

    proptest! {
        #[test]
        fn packets_do_not_depend_on_how_their_bytes_arrive(
            lines in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..40), 0..8),
            cut in 1usize..20,
        ) {
            let mut stream = Vec::new();
            let mut expected = Vec::new();
            for line in &lines {
                stream.extend_from_slice(format!("{:04x}", line.len() + 4).as_bytes());
                stream.extend_from_slice(line);
                stream.extend_from_slice(b"0001");
                expected.extend([Packet::Data(line.clone().into()), Packet::Delimiter]);
            }
            let (mut packets, mut read) = (Packets::default(), Vec::new());
            for piece in stream.chunks(cut) {
                packets.push(piece);
                while let Some(packet) = packets.next().unwrap() {
                    read.push(packet);
                }
            }
            prop_assert_eq!(read, expected);
        }
    }
}
