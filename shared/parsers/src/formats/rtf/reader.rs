//! Tokens to text.

use std::collections::HashMap;

use encoding_rs::{Encoding, WINDOWS_1252};

use super::encodings::{character_set, code_page};
use super::tokens::Token;
use crate::ParseError;
use crate::formats::table::Tables;
use crate::limits::MAX_PARAGRAPH_BYTES;
use crate::output::Output;

pub(super) const WHAT: &str = "the rich text document";

/// Nested groups. Each takes memory until its end.
const MAX_GROUPS: usize = 10_000;

/// Fonts and styles that are remembered.
const MAX_DEFINITIONS: usize = 10_000;

/// What the text of a group is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Destination {
    Body,
    Title,
    /// The names of fonts, whose character sets count.
    Fonts,
    /// The names of styles.
    Styles,
    /// Nothing to read: pictures, field codes, what a newer program has added.
    Ignored,
}

/// What applies until the end of a group.
#[derive(Clone, Copy)]
struct Group {
    destination: Destination,
    encoding: &'static Encoding,
    is_hidden: bool,
    /// Bytes after a `\u` that older programs show instead.
    fallback_bytes: usize,
}

/// Reads tokens.
pub(super) struct Reader {
    groups: Vec<Group>,
    group: Group,
    document_encoding: &'static Encoding,
    fonts: HashMap<i32, &'static Encoding>,
    /// Levels of headings by style.
    styles: HashMap<i32, u8>,
    /// The font or style that is being defined.
    definition: i32,
    /// Text in the encoding of the group that is not decoded yet.
    bytes: Vec<u8>,
    text: String,
    high_surrogate: Option<u32>,
    /// Whether the group has started with `\*`.
    is_optional: bool,
    fallback_left: usize,
    level: Option<u8>,
    tables: Tables,
    in_table: bool,
}

impl Reader {
    pub(super) fn new() -> Self {
        let group = Group {
            destination: Destination::Body,
            encoding: WINDOWS_1252,
            is_hidden: false,
            fallback_bytes: 1,
        };
        Self {
            groups: Vec::new(),
            group,
            document_encoding: WINDOWS_1252,
            fonts: HashMap::new(),
            styles: HashMap::new(),
            definition: 0,
            bytes: Vec::new(),
            text: String::new(),
            high_surrogate: None,
            is_optional: false,
            fallback_left: 0,
            level: None,
            tables: Tables::default(),
            in_table: false,
        }
    }

    pub(super) fn token(&mut self, token: &Token<'_>, output: &mut Output<'_>) -> Result<(), ParseError> {
        match *token {
            Token::Open => {
                self.decode();
                if self.groups.len() == MAX_GROUPS {
                    let limit = format!("groups are nested more than {MAX_GROUPS} deep");
                    return Err(ParseError::damaged(WHAT, limit));
                }
                self.groups.push(self.group);
                self.is_optional = false;
                self.fallback_left = 0;
            }
            Token::Close => self.end_group(output)?,
            Token::Text(_) if self.fallback_left > 0 => self.fallback_left -= 1,
            Token::Text(byte) if self.reads_text() => self.bytes.push(byte),
            Token::Text(_) => {}
            Token::Symbol(symbol) => match symbol {
                b'*' => self.is_optional = true,
                b'~' => self.push("\u{A0}"),
                b'_' => self.push("-"),
                b'\\' | b'{' | b'}' if self.reads_text() => self.bytes.push(symbol),
                b'\r' | b'\n' => self.end_paragraph(output)?,
                // An optional hyphen, an entry of an index.
                _ => {}
            },
            Token::Control { word, number } => self.control(word, number, output)?,
        }
        if self.bytes.len() + self.text.len() > MAX_PARAGRAPH_BYTES {
            self.decode();
            let text = std::mem::take(&mut self.text);
            self.level = None;
            if self.group.destination == Destination::Body && self.in_table {
                self.open_table();
                self.tables.paragraph(&text, output)?;
            } else if self.group.destination == Destination::Body {
                output.text(&text)?;
            }
        }
        Ok(())
    }

    fn control(
        &mut self,
        word: &str,
        number: Option<i32>,
        output: &mut Output<'_>,
    ) -> Result<(), ParseError> {
        let is_optional = std::mem::take(&mut self.is_optional);
        match word {
            "u" => {
                self.push_unicode(number.unwrap_or_default());
                self.fallback_left = self.group.fallback_bytes;
                return Ok(());
            }
            "uc" => self.group.fallback_bytes = usize::try_from(number.unwrap_or(1)).unwrap_or_default(),
            "fonttbl" => self.start(Destination::Fonts),
            "stylesheet" => self.start(Destination::Styles),
            "title" if self.group.destination == Destination::Ignored => self.start(Destination::Title),
            "info" | "colortbl" | "pict" | "object" | "fldinst" | "header" | "headerl" | "headerr"
            | "headerf" | "footer" | "footerl" | "footerr" | "footerf" | "nonshppict" | "xe" | "tc"
            | "bkmkstart" | "bkmkend" | "template" | "listtable" | "themedata" | "datastore" => {
                self.start(Destination::Ignored)
            }
            // Destinations of newer programs, and the few of them that have text.
            _ if is_optional && !matches!(word, "shppict" | "shpinst" | "shptxt" | "annotation") => {
                self.start(Destination::Ignored);
            }
            "ansicpg" => {
                self.document_encoding = code_page(number.unwrap_or_default());
                self.set_encoding(self.document_encoding);
            }
            "f" if self.group.destination == Destination::Fonts => {
                self.definition = number.unwrap_or_default()
            }
            "f" => {
                let font = self.fonts.get(&number.unwrap_or_default());
                self.set_encoding(font.copied().unwrap_or(self.document_encoding));
            }
            "plain" => {
                self.set_encoding(self.document_encoding);
                self.group.is_hidden = false;
            }
            "fcharset" if self.fonts.len() < MAX_DEFINITIONS => {
                let encoding = character_set(number.unwrap_or_default()).unwrap_or(self.document_encoding);
                self.fonts.insert(self.definition, encoding);
            }
            "s" if self.group.destination == Destination::Styles => {
                self.definition = number.unwrap_or_default()
            }
            "s" => self.level = self.styles.get(&number.unwrap_or_default()).copied(),
            "outlinelevel" => match (self.group.destination, heading_level(number)) {
                (Destination::Styles, Some(level)) if self.styles.len() < MAX_DEFINITIONS => {
                    self.styles.insert(self.definition, level);
                }
                (Destination::Body, level) => self.level = level,
                _ => {}
            },
            "v" | "deleted" => {
                self.decode();
                self.group.is_hidden = number != Some(0);
            }
            "pard" => {
                self.level = None;
                self.in_table = false;
            }
            "intbl" => self.in_table = true,
            "par" | "sect" | "page" => self.end_paragraph(output)?,
            "cell" | "nestcell" => self.end_cell(output)?,
            "row" | "nestrow" => self.end_row(output)?,
            "line" => self.push("\n"),
            "tab" => self.push("\t"),
            "emdash" => self.push("—"),
            "endash" => self.push("–"),
            "bullet" => self.push("•"),
            "lquote" => self.push("‘"),
            "rquote" => self.push("’"),
            "ldblquote" => self.push("“"),
            "rdblquote" => self.push("”"),
            "emspace" | "enspace" | "qmspace" => self.push(" "),
            _ => {}
        }
        Ok(())
    }

    fn start(&mut self, destination: Destination) {
        // What is inside something ignored is ignored, but for the title in the information.
        if self.group.destination != Destination::Ignored || destination == Destination::Title {
            self.group.destination = destination;
        }
    }

    fn reads_text(&self) -> bool {
        !matches!(self.group.destination, Destination::Ignored | Destination::Fonts) && !self.group.is_hidden
    }

    fn set_encoding(&mut self, encoding: &'static Encoding) {
        self.decode();
        self.group.encoding = encoding;
    }

    /// Decodes the bytes of text. They are decoded together, since a character may have several.
    fn decode(&mut self) {
        if !self.bytes.is_empty() {
            let (text, _had_errors) = self.group.encoding.decode_without_bom_handling(&self.bytes);
            self.text.push_str(&text);
            self.bytes.clear();
        }
    }

    fn push(&mut self, text: &str) {
        self.fallback_left = 0;
        if self.reads_text() {
            self.decode();
            self.text.push_str(text);
        }
    }

    /// Appends a UTF-16 code unit, which may be negative.
    fn push_unicode(&mut self, number: i32) {
        let unit = if number < 0 { number.saturating_add(0x1_0000) } else { number };
        let Ok(unit) = u32::try_from(unit) else { return };
        let value = match (self.high_surrogate.take(), unit) {
            (_, 0xD800..=0xDBFF) => {
                self.high_surrogate = Some(unit);
                return;
            }
            (Some(high), 0xDC00..=0xDFFF) => 0x1_0000 + ((high - 0xD800) << 10) + (unit - 0xDC00),
            _ => unit,
        };
        if let Some(character) = char::from_u32(value) {
            self.push(character.encode_utf8(&mut [0; 4]));
        }
    }

    fn end_group(&mut self, output: &mut Output<'_>) -> Result<(), ParseError> {
        self.decode();
        self.fallback_left = 0;
        let ended = self.group.destination;
        let Some(outer) = self.groups.pop() else {
            return Ok(());
        };
        self.group = outer;
        match ended {
            Destination::Title if outer.destination != ended => {
                output.title(&std::mem::take(&mut self.text))?
            }
            Destination::Styles => {
                let name = std::mem::take(&mut self.text).trim().trim_end_matches(';').to_lowercase();
                let level = name.strip_prefix("heading ").and_then(|level| level.parse().ok());
                if let Some(level) = level.filter(|_| self.styles.len() < MAX_DEFINITIONS) {
                    self.styles.entry(self.definition).or_insert(level);
                }
            }
            _ => {}
        }
        Ok(())
    }

    fn end_paragraph(&mut self, output: &mut Output<'_>) -> Result<(), ParseError> {
        if self.group.destination != Destination::Body {
            return Ok(());
        }
        self.decode();
        let text = std::mem::take(&mut self.text);
        if self.in_table {
            self.open_table();
            return self.tables.paragraph(&text, output);
        }
        self.tables.end_table();
        match self.level {
            Some(level) => output.heading_line(level, &text),
            None => output.line(&text),
        }
    }

    fn open_table(&mut self) {
        if !self.tables.is_open() {
            self.tables.start_table();
        }
    }

    fn end_cell(&mut self, output: &mut Output<'_>) -> Result<(), ParseError> {
        self.decode();
        let text = std::mem::take(&mut self.text);
        self.open_table();
        self.tables.paragraph(&text, output)?;
        self.tables.end_cell(1);
        Ok(())
    }

    fn end_row(&mut self, output: &mut Output<'_>) -> Result<(), ParseError> {
        // Some writers have text between the last cell and the end of the row.
        self.decode();
        match self.tables.end_row() {
            Some(row) => output.table_row(row),
            None => Ok(()),
        }
    }

    pub(super) fn finish(mut self, output: &mut Output<'_>) -> Result<(), ParseError> {
        self.group.destination = Destination::Body;
        self.in_table = false;
        if let Some(row) = self.tables.end_row() {
            output.table_row(row)?;
        }
        self.decode();
        if self.text.is_empty() { Ok(()) } else { self.end_paragraph(output) }
    }
}

fn heading_level(outline_level: Option<i32>) -> Option<u8> {
    let level = u8::try_from(outline_level?).ok()?;
    (level < 9).then(|| (level + 1).min(6))
}
