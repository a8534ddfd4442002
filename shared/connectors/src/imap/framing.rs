//! Where a response ends: at the end of its line, unless that announces a literal.

/// Finds the end of the next response in what was received so far.
#[derive(Debug, Default)]
pub(super) struct Framing {
    /// Where the current line begins; what is before belongs to the response, literals included.
    line: usize,
    /// Where the search for the end of the line continues.
    scanned: usize,
}

/// What is known of the next response.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Framed {
    /// It ends here.
    Complete(usize),
    /// It has at least this many bytes.
    Longer(u64),
}

impl Framing {
    /// Continues the search for the end, after more was received.
    pub(super) fn find_end(&mut self, received: &[u8]) -> Framed {
        loop {
            if self.scanned > received.len() {
                return Framed::Longer(self.scanned as u64);
            }
            let unseen = &received[self.scanned..];
            let Some(at) = unseen.windows(2).position(|pair| pair == b"\r\n") else {
                // The last byte may be the first half of the end.
                self.scanned = self.scanned.max(received.len().saturating_sub(1));
                return Framed::Longer(received.len() as u64 + 1);
            };
            let end = self.scanned + at;
            let after = end + 2;
            match literal_size(&received[self.line..end]) {
                None => {
                    *self = Self::default();
                    return Framed::Complete(after);
                }
                Some(size) => {
                    let Some(next) = usize::try_from(size).ok().and_then(|size| after.checked_add(size))
                    else {
                        return Framed::Longer(u64::MAX);
                    };
                    (self.line, self.scanned) = (next, next);
                }
            }
        }
    }
}

/// The size of the literal that a line announces at its end: `{12}`.
pub(super) fn literal_size(line: &[u8]) -> Option<u64> {
    let inner = line.strip_suffix(b"}")?;
    let inner = inner.strip_suffix(b"+").unwrap_or(inner);
    let digits = inner.rsplit(|byte| !byte.is_ascii_digit()).next()?;
    let before = inner.len().checked_sub(digits.len() + 1)?;
    if digits.is_empty() || inner[before] != b'{' {
        return None;
    }
    // More digits than fit announce more than any limit.
    Some(str::from_utf8(digits).ok()?.parse().unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn announced_literals_belong_to_the_response() {
        let response = b"* 1 FETCH (BODY[] {6}\r\na\r\nb\r\n)\r\n* 2 EXISTS\r\n";
        assert_eq!(Framing::default().find_end(response), Framed::Complete(32));
        assert_eq!(&response[30..32], b"\r\n");
    }

    #[test]
    fn size_beyond_any_limit_is_known_from_the_announcement() {
        let announced = |line: &[u8]| Framing::default().find_end(line);
        assert_eq!(announced(b"* 1 FETCH (BODY[] {536870912}\r\n"), Framed::Longer(536_870_943));
        assert_eq!(announced(b"* X {99999999999999999999999}\r\n"), Framed::Longer(u64::MAX));
    }

    #[test]
    fn braces_that_announce_nothing_are_text() {
        for line in ["* OK {}", "* OK {a}", "* OK 12}", "* OK {1}.", "}", "{"] {
            assert_eq!(literal_size(line.as_bytes()), None, "{line}");
        }
        assert_eq!(literal_size(b"x {3+}"), Some(3));
    }

    proptest! {
        /// However the bytes arrive, the responses are the same.
        #[test]
        fn pieces_do_not_matter(
            literals in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..40), 0..4),
            cuts in prop::collection::vec(1usize..20, 1..40),
        ) {
            let mut response = b"* 1 FETCH (".to_vec();
            for literal in &literals {
                response.extend(format!("X {{{}}}\r\n", literal.len()).bytes());
                response.extend(literal);
            }
            response.extend(b")\r\n");
            let mut framing = Framing::default();
            let mut received = 0;
            for cut in cuts.into_iter().cycle() {
                received = (received + cut).min(response.len());
                match framing.find_end(&response[..received]) {
                    Framed::Complete(end) => {
                        prop_assert_eq!(end, response.len());
                        break;
                    }
                    Framed::Longer(least) => {
                        prop_assert!(received < response.len());
                        prop_assert!(least <= response.len() as u64);
                    }
                }
            }
        }
    }
}
