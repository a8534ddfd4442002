//! RTF: a stream of control words, groups and text in the code pages of its fonts.
//!
//! The ready-made readers recovered .569 to .847 of the words (rtf-parser, rtf-grimoire, docling), for want of code
//! pages, hidden text and tables; encoding_rs has the code pages.

mod encodings;
mod reader;
mod tokens;

use std::io::{BufRead, BufReader};

use crate::output::Output;
use crate::parser::Parser;
use crate::{Input, Options, ParseError};

use reader::Reader;
use tokens::{Token, Tokens};

pub(crate) const PARSER: Parser = Parser { parse, no_text: "the rich text document has no text" };

fn parse(input: &mut dyn Input, _options: &Options, output: &mut Output<'_>) -> Result<(), ParseError> {
    append(BufReader::new(input), output)
}

/// Appends the text of an RTF document.
pub(super) fn append(bytes: impl BufRead, output: &mut Output<'_>) -> Result<(), ParseError> {
    let mut tokens = Tokens::new(bytes);
    let mut reader = Reader::new();
    while let Some(token) = tokens.next().map_err(ParseError::Input)? {
        if let Token::Control { word: "bin", number } = token {
            let bytes = number.and_then(|bytes| u64::try_from(bytes).ok()).unwrap_or_default();
            tokens.skip(bytes).map_err(ParseError::Input)?;
        } else {
            reader.token(&token, output)?;
        }
    }
    reader.finish(output)
}

#[cfg(test)]
mod tests;
