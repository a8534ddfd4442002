//! DOCX: the paragraphs and tables of the main part, then notes, comments, headers and footers.
//!
//! Read with quick-xml and zip as a stream. Ready-made readers were measured (undoc, docling, see the manifest): they
//! build the document in memory, and a part of 200 MB takes them gigabytes.

mod body;
mod styles;

use std::collections::HashSet;

use crate::output::Output;
use crate::package::Package;
use crate::parser::Parser;
use crate::xml::Node;
use crate::{Input, Options, ParseError};

use body::Body;
use styles::Styles;

pub(crate) const PARSER: Parser =
    Parser { parse, no_text: "the Word document has no text, perhaps only images" };

const WHAT: &str = "the Word document";

fn parse(input: &mut dyn Input, _options: &Options, output: &mut Output<'_>) -> Result<(), ParseError> {
    let mut package = Package::open(input, WHAT)?;
    let main = package.main_part()?;
    core_properties(&mut package, output)?;
    let links = package.relationships(&main)?;
    let path_of = |kind: &str| links.iter().find(|link| link.kind == kind).map(|link| link.target.as_str());
    let styles = match path_of("styles") {
        Some(path) => Styles::read(&mut package, path)?,
        None => Styles::default(),
    };
    output.language(&styles.language)?;

    let body = package.xml(&main)?;
    let body = body.ok_or_else(|| ParseError::damaged(WHAT, format!("{main} is missing")))?;
    Body::new(&styles).append(body, output)?;
    for kind in ["footnotes", "endnotes", "comments"] {
        if let Some(xml) = path_of(kind).map(|path| package.xml(path)).transpose()?.flatten() {
            Body::new(&styles).append(xml, output)?;
        }
    }
    // Each section has headers and footers, most of them alike.
    let mut seen = HashSet::new();
    for link in links.iter().filter(|link| matches!(link.kind.as_str(), "header" | "footer")) {
        if let Some(xml) = package.xml(&link.target)? {
            Body::without_repetition(&styles, &mut seen).append(xml, output)?;
        }
    }
    Ok(())
}

/// Reads the title and the language that the document declares.
pub(crate) fn core_properties(package: &mut Package<'_>, output: &mut Output<'_>) -> Result<(), ParseError> {
    let links = package.relationships("")?;
    let Some(link) = links.iter().find(|link| link.kind == "core-properties") else {
        return Ok(());
    };
    let Some(mut xml) = package.xml(&link.target)? else {
        return Ok(());
    };
    while let Some(node) = xml.next()? {
        let Node::Start(element) = node else { continue };
        match element.name() {
            "title" => output.title(&xml.element_text()?)?,
            "language" => output.language(&xml.element_text()?)?,
            _ => {}
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
