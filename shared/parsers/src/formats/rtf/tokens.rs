//! Bytes to tokens.

use std::io::{self, BufRead, Read};

/// The longest control word; the specification allows 32 letters.
const MAX_WORD_BYTES: usize = 64;

/// A part of RTF.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Token<'a> {
    Open,
    Close,
    /// `\word` with its number.
    Control {
        word: &'a str,
        number: Option<i32>,
    },
    /// A backslash and a character that is no letter.
    Symbol(u8),
    /// A byte of text, also from `\'hh`.
    Text(u8),
}

/// A reader of tokens.
pub(super) struct Tokens<R> {
    bytes: R,
    word: String,
}

impl<R: BufRead> Tokens<R> {
    pub(super) fn new(bytes: R) -> Self {
        Self { bytes, word: String::new() }
    }

    /// Returns the next token. Line ends are not text.
    pub(super) fn next(&mut self) -> io::Result<Option<Token<'_>>> {
        loop {
            return Ok(Some(match self.byte()? {
                None => return Ok(None),
                Some(b'\r' | b'\n' | 0) => continue,
                Some(b'{') => Token::Open,
                Some(b'}') => Token::Close,
                Some(b'\\') => return self.control(),
                Some(byte) => Token::Text(byte),
            }));
        }
    }

    /// Passes over bytes that are not RTF.
    pub(super) fn skip(&mut self, bytes: u64) -> io::Result<()> {
        io::copy(&mut self.bytes.by_ref().take(bytes), &mut io::sink()).map(|_skipped| ())
    }

    fn control(&mut self) -> io::Result<Option<Token<'_>>> {
        let Some(first) = self.byte()? else {
            return Ok(None);
        };
        if first == b'\'' {
            let digits = [self.byte()?.unwrap_or_default(), self.byte()?.unwrap_or_default()];
            let value = std::str::from_utf8(&digits).ok().and_then(|hex| u8::from_str_radix(hex, 16).ok());
            return Ok(Some(Token::Text(value.unwrap_or(b'?'))));
        }
        if !first.is_ascii_alphabetic() {
            return Ok(Some(Token::Symbol(first)));
        }
        self.word.clear();
        self.word.push(first.into());
        while let Some(letter) = self.peek()?.filter(u8::is_ascii_alphabetic) {
            self.byte()?;
            if self.word.len() < MAX_WORD_BYTES {
                self.word.push(letter.into());
            }
        }
        let is_negative = self.peek()? == Some(b'-');
        if is_negative {
            self.byte()?;
        }
        let mut number = None;
        while let Some(digit) = self.peek()?.filter(u8::is_ascii_digit) {
            self.byte()?;
            let digit = i32::from(digit - b'0');
            number = Some(number.unwrap_or(0_i32).saturating_mul(10).saturating_add(digit));
        }
        // One space ends a control word, and is not text.
        if self.peek()? == Some(b' ') {
            self.byte()?;
        }
        let number = if is_negative { number.map(|number| -number) } else { number };
        Ok(Some(Token::Control { word: &self.word, number }))
    }

    fn peek(&mut self) -> io::Result<Option<u8>> {
        Ok(self.bytes.fill_buf()?.first().copied())
    }

    fn byte(&mut self) -> io::Result<Option<u8>> {
        let byte = self.peek()?;
        self.bytes.consume(usize::from(byte.is_some()));
        Ok(byte)
    }
}
