//! `OpenDocument`: texts, presentations and spreadsheets, which share their elements.
//!
//! Spreadsheets are read here rather than with calamine: the text of a cell is in the file as it is shown, and
//! calamine holds the sheet in memory.

mod content;

use frames::WarningKind;

use crate::output::Output;
use crate::package::Package;
use crate::parser::Parser;
use crate::xml::Node;
use crate::{Input, Options, ParseError};

use content::{Content, Kind};

pub(crate) const TEXT_PARSER: Parser = Parser {
    parse: |input, _: &Options, output| parse(input, Kind::Text, output),
    no_text: "the OpenDocument text has no text, perhaps only images",
};

pub(crate) const PRESENTATION_PARSER: Parser = Parser {
    parse: |input, _: &Options, output| parse(input, Kind::Presentation, output),
    no_text: "the OpenDocument presentation has no text, perhaps only images",
};

pub(crate) const SPREADSHEET_PARSER: Parser = Parser {
    parse: |input, _: &Options, output| parse(input, Kind::Spreadsheet, output),
    no_text: "the OpenDocument spreadsheet has no cells with text",
};

const WHAT: &str = "the OpenDocument file";

fn parse(input: &mut dyn Input, kind: Kind, output: &mut Output<'_>) -> Result<(), ParseError> {
    let mut package = Package::open(input, WHAT)?;
    check_encryption(&mut package)?;
    append_metadata(&mut package, output)?;
    let content = package.xml("content.xml")?;
    let mut content = content.ok_or_else(|| ParseError::damaged(WHAT, "content.xml is missing"))?;
    match Content::new(kind).append(&mut content, output) {
        // What was read before the damage counts.
        Err(ParseError::Document(failure))
            if failure.kind == frames::FailureKind::Damaged && output.has_content() =>
        {
            output.warn(WarningKind::PartsUnreadable, 1);
            Ok(())
        }
        other => other,
    }
}

fn check_encryption(package: &mut Package<'_>) -> Result<(), ParseError> {
    let Some(mut manifest) = package.xml("META-INF/manifest.xml")? else {
        return Ok(());
    };
    while let Some(node) = manifest.next()? {
        if matches!(node, Node::Start(element) if element.name() == "encryption-data") {
            return Err(ParseError::encrypted(WHAT));
        }
    }
    Ok(())
}

fn append_metadata(package: &mut Package<'_>, output: &mut Output<'_>) -> Result<(), ParseError> {
    let Some(mut metadata) = package.xml("meta.xml")? else {
        return Ok(());
    };
    while let Some(node) = metadata.next()? {
        let Node::Start(element) = node else { continue };
        match element.name() {
            "title" => output.title(&metadata.element_text()?)?,
            "language" => output.language(&metadata.element_text()?)?,
            _ => {}
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
