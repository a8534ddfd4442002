//! EPUB: the chapters in reading order, each read as HTML.

use frames::WarningKind;

use crate::limits::MAX_PAGES;
use crate::output::Output;
use crate::package::{Package, resolve};
use crate::parser::Parser;
use crate::xml::{Node, Xml};
use crate::{Input, Options, ParseError, html};

pub(crate) const PARSER: Parser = Parser { parse, no_text: "the e-book has no text, perhaps only images" };

const WHAT: &str = "the e-book";

/// Where every e-book says where its description is.
const CONTAINER: &str = "META-INF/container.xml";

fn parse(input: &mut dyn Input, _options: &Options, output: &mut Output<'_>) -> Result<(), ParseError> {
    let mut package = Package::open(input, WHAT)?;
    let description = description_path(&mut package)?;
    let chapters = read_description(&mut package, &description, output)?;
    if package.contains("META-INF/rights.xml") {
        // The chapters are encrypted. META-INF/encryption.xml alone does not say so: fonts may be all that is.
        return Err(ParseError::encrypted(WHAT));
    }
    for (index, path) in chapters.iter().enumerate() {
        if index >= MAX_PAGES as usize {
            output.warn(WarningKind::PagesLeftOut, (chapters.len() - index) as u64);
            break;
        }
        append_chapter(&mut package, path, output)?;
    }
    Ok(())
}

fn append_chapter(package: &mut Package<'_>, path: &str, output: &mut Output<'_>) -> Result<(), ParseError> {
    let chapter = match package.small_part(path) {
        Ok(Some(chapter)) => chapter,
        Ok(None) => {
            output.warn(WarningKind::PartsUnreadable, 1);
            return Ok(());
        }
        Err(ParseError::Document(failure)) if failure.kind == frames::FailureKind::Damaged => {
            output.warn(WarningKind::PartsUnreadable, 1);
            return Ok(());
        }
        Err(other) => return Err(other),
    };
    html::append(&chapter, None, output)?;
    output.line("")
}

fn description_path(package: &mut Package<'_>) -> Result<String, ParseError> {
    let missing = || ParseError::damaged(WHAT, format!("{CONTAINER} does not name its description"));
    let mut xml = package.xml(CONTAINER)?.ok_or_else(missing)?;
    while let Some(node) = xml.next()? {
        if let Node::Start(element) = node
            && element.name() == "rootfile"
        {
            return element.attribute("full-path").ok_or_else(missing);
        }
    }
    Err(missing())
}

/// Reads title and language; returns the paths of the chapters.
fn read_description(
    package: &mut Package<'_>,
    path: &str,
    output: &mut Output<'_>,
) -> Result<Vec<String>, ParseError> {
    let folder = path.rsplit_once('/').map_or("", |(folder, _)| folder);
    let bytes = package.small_part(path)?;
    let bytes = bytes.ok_or_else(|| ParseError::damaged(WHAT, format!("{path} is missing")))?;
    let mut xml = Xml::new(bytes.as_slice(), WHAT);
    let (mut items, mut chapters) = (std::collections::HashMap::new(), Vec::new());
    while let Some(node) = xml.next()? {
        let Node::Start(element) = node else { continue };
        match element.name() {
            "title" => output.title(&xml.element_text()?)?,
            "language" => output.language(&xml.element_text()?)?,
            "item" => {
                let target = element.attribute("href").unwrap_or_default();
                let target = target.split('#').next().unwrap_or_default();
                let path = resolve(folder, &percent_decoded(target));
                items.insert(element.attribute("id").unwrap_or_default(), path);
            }
            "itemref" => chapters.push(element.attribute("idref").unwrap_or_default()),
            _ => {}
        }
    }
    Ok(chapters.iter().filter_map(|chapter| items.get(chapter).cloned()).collect())
}

/// Decodes `%20` and the like.
fn percent_decoded(path: &str) -> String {
    let mut bytes = Vec::with_capacity(path.len());
    let mut rest = path.as_bytes();
    while let Some((byte, after)) = rest.split_first() {
        let hex = after.get(..2).and_then(|hex| std::str::from_utf8(hex).ok());
        match hex.filter(|_| *byte == b'%').and_then(|hex| u8::from_str_radix(hex, 16).ok()) {
            Some(decoded) => {
                bytes.push(decoded);
                rest = &after[2..];
            }
            None => {
                bytes.push(*byte);
                rest = after;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use frames::DocumentFormat::{Epub, Zip};

    use super::*;
    use crate::testing::{shown, stored_zip, survives_damage, without_blank_lines};

    const CONTAINER_XML: &str =
        r#"<container><rootfiles><rootfile full-path="OEBPS/book.opf"/></rootfiles></container>"#;

    const BOOK: &str = r#"<package><metadata><dc:title>Tides</dc:title><dc:title>Again</dc:title>
        <dc:language>en-GB</dc:language></metadata><manifest>
        <item id="two" href="text/chapter%202.xhtml#start"/><item id="one" href="text/chapter1.xhtml"/>
        <item id="css" href="style.css"/></manifest>
        <spine><itemref idref="one"/><itemref idref="lost"/><itemref idref="two"/></spine></package>"#;

    fn book(further: &[(&str, &str)]) -> Vec<u8> {
        let mut parts = vec![
            ("mimetype", "application/epub+zip"),
            (CONTAINER, CONTAINER_XML),
            ("OEBPS/book.opf", BOOK),
            (
                "OEBPS/text/chapter1.xhtml",
                "<html><head><title>x</title></head><h1>The Moon</h1><p>It pulls.</p></html>",
            ),
        ];
        parts.extend_from_slice(further);
        stored_zip(&parts)
    }

    #[test]
    fn chapters_are_in_reading_order_with_their_headings() {
        let shown = shown(Epub, &book(&[("OEBPS/text/chapter 2.xhtml", "<h2>The sea</h2><p>It rises.</p>")]));
        let shown = without_blank_lines(&shown.unwrap());
        assert!(shown.starts_with("[title Tides]\n[language en-GB]\n"), "{shown}");
        assert!(
            shown.contains("[h1 The Moon]\nThe Moon\nIt pulls.\n[h2 The sea]\nThe sea\nIt rises.\n"),
            "{shown}"
        );
    }

    #[test]
    fn missing_chapter_is_a_warning_and_protected_book_a_reason() {
        assert!(shown(Epub, &book(&[])).unwrap().ends_with("[warning 1 part is damaged and left out]\n"));
        let error = shown(Epub, &book(&[("META-INF/rights.xml", "")])).unwrap_err();
        assert_eq!(error.to_string(), "the e-book is encrypted; upload it without a password");
        assert_eq!(
            shown(Epub, &stored_zip(&[("a", "b")])).unwrap_err().to_string(),
            "the e-book is damaged: META-INF/container.xml does not name its description"
        );
        assert!(shown(Zip, &book(&[])).unwrap().contains("[file mimetype ]"), "its name says archive");
    }

    #[test]
    fn damaged_books_do_not_panic() {
        survives_damage(Epub, &book(&[("OEBPS/text/chapter 2.xhtml", "<h2>The sea</h2>")]));
    }
}
