//! Leaves out embedded data, streaming: data URIs and long runs of base64, which nobody searches for.

/// A shorter run of letters and digits may be a word, an identifier or a hash.
const MIN_RUN_BYTES: usize = 256;

/// A data URI whose header is longer is none.
const MAX_HEADER_BYTES: usize = 128;

const SCHEME: &str = "data:";

/// Copies text without embedded data.
#[derive(Debug, Default)]
pub(crate) struct EmbeddedData {
    /// Text that may turn out to be the start of data.
    held: String,
    /// What continues at the next text.
    open: Option<Run>,
    /// Bytes left out.
    omitted: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Run {
    /// A data URI, which ends at white space, a quote or a bracket.
    Uri,
    /// Base64.
    Base64,
    /// Letters and digits that are no base64, however many: they are copied.
    Word,
}

/// What was found in the text, from a position on.
enum Found {
    Run(usize, Run),
    /// Data may begin here; more text is needed to know.
    Perhaps(usize),
    Nothing,
}

impl EmbeddedData {
    /// Appends the text without data to `out`. The end of the text may be held back.
    pub(crate) fn remove(&mut self, text: &str, out: &mut String) {
        self.advance(text, false, out);
    }

    /// Appends the rest.
    pub(crate) fn finish(&mut self, out: &mut String) {
        self.advance("", true, out);
    }

    /// Bytes left out so far.
    pub(crate) fn omitted(&self) -> u64 {
        self.omitted
    }

    #[cfg(test)]
    pub(crate) fn buffered_bytes(&self) -> usize {
        self.held.len()
    }

    fn advance(&mut self, text: &str, is_last: bool, out: &mut String) {
        let mut held = std::mem::take(&mut self.held);
        held.push_str(text);
        let mut rest = held.as_str();
        loop {
            if let Some(run) = self.open {
                let (of_run, later) = rest.split_at(run.length(rest));
                if run == Run::Word {
                    out.push_str(of_run);
                } else {
                    self.omitted += of_run.len() as u64;
                }
                rest = later;
                if rest.is_empty() && !is_last {
                    return;
                }
                self.open = None;
            }
            match find(rest, is_last) {
                Found::Nothing => {
                    out.push_str(rest);
                    return;
                }
                Found::Perhaps(start) => {
                    out.push_str(&rest[..start]);
                    self.held.push_str(&rest[start..]);
                    return;
                }
                Found::Run(start, run) => {
                    out.push_str(&rest[..start]);
                    rest = &rest[start..];
                    self.open = Some(run);
                }
            }
        }
    }
}

impl Run {
    /// How much of the text is data.
    fn length(self, text: &str) -> usize {
        let ends = |byte: &u8| match self {
            Self::Uri => byte.is_ascii_whitespace() || b"\"'`()<>[]{}\\".contains(byte) || !byte.is_ascii(),
            Self::Base64 | Self::Word => !is_base64(*byte),
        };
        text.as_bytes().iter().position(ends).unwrap_or(text.len())
    }
}

fn find(text: &str, is_last: bool) -> Found {
    let run = find_run(text.as_bytes(), is_last);
    let before_run = match run {
        Found::Run(start, _) | Found::Perhaps(start) => start,
        Found::Nothing => text.len(),
    };
    // A header that is known to be one precedes its own payload, which may be a run.
    match find_uri(text, before_run, is_last) {
        Found::Nothing => run,
        uri => uri,
    }
}

/// Finds the first data URI that begins before `end`.
fn find_uri(text: &str, end: usize, is_last: bool) -> Found {
    for start in memchr::memmem::find_iter(text.as_bytes(), SCHEME) {
        if start > end {
            break;
        }
        if text[..start].ends_with(|before: char| before.is_ascii_alphanumeric()) {
            // `metadata:` and other words.
            continue;
        }
        let header = &text.as_bytes()[start + SCHEME.len()..];
        let header = &header[..header.len().min(MAX_HEADER_BYTES)];
        let is_header = |byte: &u8| byte.is_ascii_alphanumeric() || b"/+.;=-_".contains(byte);
        match header.iter().position(|byte| !is_header(byte)) {
            // `data:,` and `data:x,` occur in prose; a media type or `;base64` does not.
            Some(comma)
                if header[comma] == b',' && header[..comma].iter().any(|byte| b"/;".contains(byte)) =>
            {
                return Found::Run(start, Run::Uri);
            }
            Some(_) => {}
            None if header.len() < MAX_HEADER_BYTES && !is_last => return Found::Perhaps(start),
            None => {}
        }
    }
    Found::Nothing
}

/// Finds the first run of base64, or the run at the end, which may become long enough.
fn find_run(text: &[u8], is_last: bool) -> Found {
    let mut start = 0;
    // Where a run of this length began at `start`, all these bytes would belong to it: looking from the back
    // skips most of the text.
    while start + MIN_RUN_BYTES <= text.len() {
        let candidate = &text[start..start + MIN_RUN_BYTES];
        match candidate.iter().rposition(|byte| !is_base64(*byte)) {
            Some(position) => start += position + 1,
            None if is_mixed(candidate) => return Found::Run(start, Run::Base64),
            None => return Found::Run(start, Run::Word),
        }
    }
    let tail = &text[start..];
    let start = start + tail.iter().rposition(|byte| !is_base64(*byte)).map_or(0, |position| position + 1);
    if is_last || start >= text.len() { Found::Nothing } else { Found::Perhaps(start) }
}

fn is_base64(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/' | b'=')
}

/// Whether there are capitals, small letters and digits, as in nearly all base64 of this length.
fn is_mixed(run: &[u8]) -> bool {
    run.iter().any(u8::is_ascii_uppercase)
        && run.iter().any(u8::is_ascii_lowercase)
        && run.iter().any(u8::is_ascii_digit)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn remove(text: &str, piece: usize) -> (String, u64) {
        let (mut data, mut out) = (EmbeddedData::default(), String::new());
        let characters: Vec<char> = text.chars().collect();
        for piece in characters.chunks(piece) {
            data.remove(&piece.iter().collect::<String>(), &mut out);
        }
        data.finish(&mut out);
        (out, data.omitted())
    }

    fn assert_removed(text: &str, expected: &str) {
        for piece in [1, 7, 100_000] {
            assert_eq!(remove(text, piece), (expected.to_owned(), (text.len() - expected.len()) as u64));
        }
    }

    #[test]
    fn data_uris_are_left_out() {
        let payload = "iVBORw0KGgoAAA+/9k=".repeat(400);
        assert_removed(&format!("![plot](data:image/png;base64,{payload}) after"), "![plot]() after");
        assert_removed(&format!("[1]: <data:image/png;base64,{payload}>\nafter"), "[1]: <>\nafter");
        assert_removed("url('data:image/svg+xml;utf8,%3Csvg%3E%3C/svg%3E') x", "url('') x");
        assert_removed("src=\"data:image/gif;base64,R0lGODlhAQABAAAAACw=\"", "src=\"\"");
        assert_removed("data:text/plain,hello", "");
    }

    #[test]
    fn long_base64_is_left_out_and_other_long_words_are_not() {
        let base64 = "QmFzZTY0IGRhdGEgMTIzNA".repeat(20);
        assert_removed(&format!("key: {base64}== end"), "key:  end");
        for text in [
            "x".repeat(3000),
            "0123456789abcdef".repeat(100),
            format!("{}{base64}", "x".repeat(300)),
            "ACGT".repeat(300),
            format!("sha: {}", &base64[..200]),
            "metadata:image/png,x".to_owned(),
            "the data: one, two; data:, and data:x, too".to_owned(),
            "data:image/png;base64".to_owned(),
            format!("data:{}", "a/".repeat(200)),
        ] {
            assert_removed(&text, &text);
        }
    }

    #[test]
    fn held_text_is_bounded() {
        let mut data = EmbeddedData::default();
        for text in ["data:", "image/png;", "base64,", "Aa1+".repeat(10_000).as_str(), "zzz"] {
            for _ in 0..50 {
                let mut out = String::new();
                data.remove(text, &mut out);
                assert!(data.buffered_bytes() <= MIN_RUN_BYTES + MAX_HEADER_BYTES);
            }
        }
    }

    proptest! {
        #[test]
        fn text_does_not_depend_on_the_pieces(
            text in "(data:|image/png|;base64,|[a-zA-Z0-9]{1,300}| |\\)|é|[A-Za-z0-9+/]{250,260}){0,12}",
            piece in 1usize..400,
        ) {
            prop_assert_eq!(remove(&text, piece), remove(&text, usize::MAX));
        }
    }
}
