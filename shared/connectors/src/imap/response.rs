//! Responses of a server: status responses, and data as a tree of words, strings and lists.

use bytes::Bytes;

use super::framing::literal_size;

/// One response.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Response {
    /// The server waits for the rest of the command.
    Continue,
    /// How a command ended, or something that the server says by itself.
    Status(Status),
    /// The data that a command requested, or an unsolicited update of the mailbox.
    Data(Vec<Item>),
}

/// `OK`, `NO`, `BAD`, `BYE` or `PREAUTH`.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Status {
    /// The tag of the command that it ends; `None` for what the server says by itself.
    pub(super) tag: Option<String>,
    /// In capital letters.
    pub(super) condition: String,
    /// What is in brackets: `UIDVALIDITY 7`, `AUTHENTICATIONFAILED`.
    pub(super) code: String,
    /// The text for people.
    pub(super) text: String,
}

/// A part of data.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Item {
    /// A word: a number, a keyword, `NIL`.
    Word(String),
    /// A quoted string or a literal.
    Text(Bytes),
    /// A list in parentheses.
    List(Vec<Item>),
}

/// Lists in lists, as deep as body structures are not asked for.
const MAX_DEPTH: usize = 20;

impl Status {
    pub(super) fn is_ok(&self) -> bool {
        self.condition == "OK"
    }

    /// The first word of the code, in capital letters.
    pub(super) fn code_name(&self) -> String {
        self.code.split(' ').next().unwrap_or_default().to_ascii_uppercase()
    }

    /// The number after the name of the code.
    pub(super) fn code_number(&self) -> Option<u32> {
        self.code.split(' ').nth(1)?.parse().ok()
    }
}

impl Item {
    pub(super) fn number(&self) -> Option<u32> {
        match self {
            Self::Word(word) => word.parse().ok(),
            _ => None,
        }
    }

    /// Whether it is this word, in whatever case.
    pub(super) fn is(&self, word: &str) -> bool {
        matches!(self, Self::Word(own) if own.eq_ignore_ascii_case(word))
    }

    /// A word or a string, as text.
    pub(super) fn text(&self) -> Option<String> {
        match self {
            Self::Word(word) => Some(word.clone()),
            Self::Text(bytes) => Some(String::from_utf8_lossy(bytes).into_owned()),
            Self::List(_) => None,
        }
    }

    pub(super) fn list(&self) -> Option<&[Self]> {
        match self {
            Self::List(items) => Some(items),
            _ => None,
        }
    }
}

/// Parses one whole response; `None` if it is none.
pub(super) fn parse(response: &Bytes) -> Option<Response> {
    let mut reader = Reader { bytes: response, at: 0 };
    if reader.take(b'+') {
        return Some(Response::Continue);
    }
    let tag = reader.word()?;
    let tag = (tag != "*").then_some(tag);
    reader.skip_spaces();
    let start = reader.at;
    let condition = reader.word().unwrap_or_default().to_ascii_uppercase();
    if matches!(condition.as_str(), "OK" | "NO" | "BAD" | "BYE" | "PREAUTH") {
        reader.skip_spaces();
        let code = reader.code();
        let text = String::from_utf8_lossy(reader.rest()).trim().to_owned();
        return Some(Response::Status(Status { tag, condition, code, text }));
    }
    if tag.is_some() {
        return None;
    }
    reader.at = start;
    reader.items(0).map(Response::Data)
}

struct Reader<'a> {
    bytes: &'a Bytes,
    at: usize,
}

impl Reader<'_> {
    fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    fn take(&mut self, byte: u8) -> bool {
        let is_next = self.peek() == Some(byte);
        self.at += usize::from(is_next);
        is_next
    }

    fn rest(&self) -> &[u8] {
        self.bytes.get(self.at..).unwrap_or_default()
    }

    fn skip_spaces(&mut self) {
        while self.take(b' ') {}
    }

    /// What is in the brackets of a status response, if it has any.
    fn code(&mut self) -> String {
        let Some(inner) = self.rest().strip_prefix(b"[") else { return String::new() };
        let Some(end) = inner.iter().position(|byte| *byte == b']') else { return String::new() };
        let code = String::from_utf8_lossy(&inner[..end]).into_owned();
        self.at += end + 2;
        code
    }

    /// Items to the end of the list or response.
    fn items(&mut self, depth: usize) -> Option<Vec<Item>> {
        if depth > MAX_DEPTH {
            return None;
        }
        let mut items = Vec::new();
        loop {
            self.skip_spaces();
            match self.peek() {
                None | Some(b'\r') => return (depth == 0).then_some(items),
                Some(b')') => {
                    self.at += 1;
                    return (depth > 0).then_some(items);
                }
                Some(b'(') => {
                    self.at += 1;
                    items.push(Item::List(self.items(depth + 1)?));
                }
                Some(b'"') => items.push(Item::Text(self.quoted()?)),
                Some(b'{' | b'~') => items.push(Item::Text(self.literal()?)),
                Some(_) => items.push(Item::Word(self.word()?)),
            }
        }
    }

    /// A word, with what is in its brackets: `BODY[HEADER.FIELDS (FROM)]<0>`.
    fn word(&mut self) -> Option<String> {
        let start = self.at;
        while let Some(byte) = self.peek() {
            match byte {
                b' ' | b'(' | b')' | b'"' | b'\r' | b'\n' => break,
                b'[' => {
                    let inner = self.rest().iter().position(|byte| matches!(*byte, b']' | b'\r'));
                    let closing = inner.filter(|at| self.rest().get(*at) == Some(&b']'));
                    self.at += closing.unwrap_or_default() + 1;
                }
                _ => self.at += 1,
            }
        }
        let word = self.bytes.get(start..self.at).filter(|word| !word.is_empty())?;
        Some(String::from_utf8_lossy(word).into_owned())
    }

    fn quoted(&mut self) -> Option<Bytes> {
        self.at += 1;
        let mut text = Vec::new();
        loop {
            let byte = self.peek()?;
            self.at += 1;
            match byte {
                b'"' => return Some(text.into()),
                b'\\' => {
                    text.push(self.peek()?);
                    self.at += 1;
                }
                b'\r' | b'\n' => return None,
                other => text.push(other),
            }
        }
    }

    fn literal(&mut self) -> Option<Bytes> {
        let line = self.rest().windows(2).position(|pair| pair == b"\r\n")?;
        let size = usize::try_from(literal_size(&self.rest()[..line])?).ok()?;
        let start = self.at + line + 2;
        let end = start.checked_add(size).filter(|end| *end <= self.bytes.len())?;
        self.at = end;
        Some(self.bytes.slice(start..end))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn parsed(response: &[u8]) -> Option<Response> {
        parse(&Bytes::copy_from_slice(response))
    }

    fn word(word: &str) -> Item {
        Item::Word(word.to_owned())
    }

    #[test]
    fn fetched_data_is_a_tree() {
        let response = b"* 12 FETCH (UID 7 FLAGS (\\Seen) BODY[HEADER.FIELDS (FROM TO)]<0> {4}\r\na)\r\n X \"q\\\"\")\r\n";
        let Some(Response::Data(items)) = parsed(response) else { panic!("no data") };
        let list = Item::List(vec![
            word("UID"),
            word("7"),
            word("FLAGS"),
            Item::List(vec![word("\\Seen")]),
            word("BODY[HEADER.FIELDS (FROM TO)]<0>"),
            Item::Text(Bytes::from_static(b"a)\r\n")),
            word("X"),
            Item::Text(Bytes::from_static(b"q\"")),
        ]);
        assert_eq!(items, [word("12"), word("FETCH"), list]);
    }

    #[test]
    fn status_has_code_and_text() {
        let Some(Response::Status(status)) = parsed(b"* OK [UIDNEXT 4392] Predicted next UID\r\n") else {
            panic!("no status")
        };
        assert_eq!((status.code_name().as_str(), status.code_number()), ("UIDNEXT", Some(4392)));
        let Some(Response::Status(status)) = parsed(b"a7 no [authenticationfailed] Nope [x]\r\n") else {
            panic!("no status")
        };
        assert_eq!((status.tag.as_deref(), status.is_ok()), (Some("a7"), false));
        assert_eq!((status.code_name().as_str(), status.text.as_str()), ("AUTHENTICATIONFAILED", "Nope [x]"));
    }

    #[test]
    fn names_with_brackets_are_words() {
        let Some(Response::Data(items)) = parsed(b"* LIST (\\All) \"/\" [Gmail]/All\r\n") else {
            panic!("no data")
        };
        assert_eq!(items[3], word("[Gmail]/All"));
        let Some(Response::Data(items)) = parsed(b"* LIST () NIL a[b\r\n") else { panic!("no data") };
        assert_eq!(items[2..], [word("NIL"), word("a[b")]);
    }

    #[test]
    fn what_is_not_a_response_is_refused() {
        for response in
            ["", "\r\n", "a1 FETCH x\r\n", "* 1 FETCH (UID\r\n", "* X \"a\r\n", "* )\r\n", "* X {9}\r\na\r\n"]
        {
            assert_eq!(parsed(response.as_bytes()), None, "{response}");
        }
        assert_eq!(parsed(format!("* {}\r\n", "(".repeat(10_000)).as_bytes()), None);
    }

    proptest! {
        #[test]
        fn any_bytes_are_parsed_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = parsed(&[b"* ".as_slice(), &bytes].concat());
        }

        #[test]
        fn literals_are_kept_byte_by_byte(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let response =
                [format!("* 1 FETCH (BODY[] {{{}}}\r\n", bytes.len()).as_bytes(), &bytes, b")\r\n"].concat();
            let Some(Response::Data(items)) = parsed(&response) else { panic!("no data") };
            let fetched = items[2].list().unwrap();
            prop_assert_eq!(&fetched[1], &Item::Text(bytes.into()));
        }
    }
}
