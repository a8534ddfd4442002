//! PPTX: slides as pages, with their titles as headings and their notes at their end.

use std::io::BufRead;

use frames::{FailureKind, WarningKind};

use crate::formats::docx::core_properties;
use crate::formats::table::Tables;
use crate::limits::{MAX_CELLS, MAX_PARAGRAPH_BYTES};
use crate::output::Output;
use crate::package::Package;
use crate::parser::Parser;
use crate::xml::{Node, Xml};
use crate::{Input, Options, ParseError};

pub(crate) const PARSER: Parser =
    Parser { parse, no_text: "the presentation has no text, perhaps only images" };

const WHAT: &str = "the presentation";

fn parse(input: &mut dyn Input, _options: &Options, output: &mut Output<'_>) -> Result<(), ParseError> {
    let mut package = Package::open(input, WHAT)?;
    let main = package.main_part()?;
    core_properties(&mut package, output)?;
    for (index, path) in slides(&mut package, &main)?.iter().enumerate() {
        output.page(&(index + 1).to_string())?;
        let before = output.text_bytes();
        match append_slide(&mut package, path, output) {
            Ok(()) if output.text_bytes() == before => output.warn(WarningKind::PagesWithoutText, 1),
            Ok(()) => {}
            // The other slides may be fine.
            Err(ParseError::Document(failure)) if failure.kind == FailureKind::Damaged => {
                output.warn(WarningKind::PartsUnreadable, 1);
            }
            Err(other) => return Err(other),
        }
    }
    Ok(())
}

fn append_slide(package: &mut Package<'_>, path: &str, output: &mut Output<'_>) -> Result<(), ParseError> {
    let xml = package.xml(path)?.ok_or_else(|| ParseError::damaged(WHAT, format!("{path} is missing")))?;
    Shapes::default().append(xml, output)?;
    let notes = package.relationships(path)?.into_iter().find(|link| link.kind == "notesSlide");
    match notes.map(|link| package.xml(&link.target)).transpose()?.flatten() {
        Some(xml) => Shapes { is_notes: true, ..Shapes::default() }.append(xml, output),
        None => Ok(()),
    }
}

/// The paths of the slides in the order of the presentation.
fn slides(package: &mut Package<'_>, main: &str) -> Result<Vec<String>, ParseError> {
    let links = package.relationships(main)?;
    let mut slides = Vec::new();
    let mut xml =
        package.xml(main)?.ok_or_else(|| ParseError::damaged(WHAT, format!("{main} is missing")))?;
    while let Some(node) = xml.next()? {
        let Node::Start(element) = node else { continue };
        if element.name() == "sldId" {
            // `id` without a prefix is another number.
            let id = element.qualified("r:id").or_else(|| element.attribute("id")).unwrap_or_default();
            slides.extend(links.iter().find(|link| link.id == id).map(|link| link.target.clone()));
        }
    }
    Ok(slides)
}

/// Reads the shapes of a slide, or of its notes.
#[derive(Default)]
struct Shapes {
    /// Of notes, only the body counts: the other shapes repeat the slide.
    is_notes: bool,
    /// What the shape stands for, such as `title`.
    placeholder: Option<String>,
    paragraph: String,
    tables: Tables,
}

impl Shapes {
    fn append<R: BufRead>(mut self, mut xml: Xml<R>, output: &mut Output<'_>) -> Result<(), ParseError> {
        let mut in_text = false;
        while let Some(node) = xml.next()? {
            match node {
                Node::Start(element) => match element.name() {
                    // What is shown once more for older programs.
                    "Fallback" => xml.skip_element()?,
                    "sp" | "graphicFrame" => self.placeholder = None,
                    "ph" => self.placeholder = Some(element.attribute("type").unwrap_or_default()),
                    "t" => in_text = true,
                    "br" => self.paragraph.push('\n'),
                    "tbl" => self.tables.start_table(),
                    "tblPr" => self.tables.set_header(element.is_on("firstRow")),
                    "tc" => {
                        let span = element.attribute("gridSpan").and_then(|span| span.parse().ok());
                        self.tables.set_column_span(span.unwrap_or(1).clamp(1, MAX_CELLS));
                    }
                    _ => {}
                },
                Node::End(name) => match name.as_str() {
                    "t" => in_text = false,
                    "p" => self.end_paragraph(output)?,
                    "tc" => self.tables.end_cell(1),
                    "tr" => self.tables.end_row().map_or(Ok(()), |row| output.table_row(row))?,
                    "tbl" => self.tables.end_table(),
                    _ => {}
                },
                Node::Text(text) if in_text => {
                    self.paragraph.push_str(&text);
                    if self.paragraph.len() > MAX_PARAGRAPH_BYTES {
                        self.end_paragraph(output)?;
                    }
                }
                Node::Text(_) => {}
            }
        }
        Ok(())
    }

    fn end_paragraph(&mut self, output: &mut Output<'_>) -> Result<(), ParseError> {
        let paragraph = std::mem::take(&mut self.paragraph);
        if paragraph.trim().is_empty() {
            return Ok(());
        }
        if self.tables.is_open() {
            return self.tables.paragraph(&paragraph, output);
        }
        let placeholder = self.placeholder.as_deref();
        match placeholder {
            // Dates, page numbers, headers and footers, which are the same on each slide.
            Some("dt" | "sldNum" | "hdr" | "ftr") => Ok(()),
            _ if self.is_notes => match placeholder {
                Some("body") => output.line(&paragraph),
                _ => Ok(()),
            },
            Some("title" | "ctrTitle") => output.heading_line(1, &paragraph),
            _ => output.line(&paragraph),
        }
    }
}

#[cfg(test)]
mod tests {
    use frames::DocumentFormat::{Pptx, Zip};

    use crate::testing::{relationships, shown, stored_zip, survives_damage};

    fn shape(placeholder: &str, text: &str) -> String {
        let kind =
            if placeholder.is_empty() { String::new() } else { format!(r#"<p:ph type="{placeholder}"/>"#) };
        format!("<p:sp><p:nvPr>{kind}</p:nvPr><a:p><a:r><a:t>{text}</a:t></a:r></a:p></p:sp>")
    }

    fn pptx(slides: &[&str]) -> Vec<u8> {
        let main = r#"<p:presentation><p:sldIdLst><p:sldId id="256" r:id="s2"/><p:sldId id="257" r:id="s1"/>
            </p:sldIdLst></p:presentation>"#;
        let notes = [shape("body", "Say it slowly."), shape("sldNum", "7"), shape("title", "Again")].concat();
        stored_zip(&[
            ("[Content_Types].xml", ""),
            ("_rels/.rels", &relationships(&[("1", "officeDocument", "ppt/presentation.xml")])),
            ("ppt/presentation.xml", main),
            (
                "ppt/_rels/presentation.xml.rels",
                &relationships(&[("s1", "slide", "slides/slide1.xml"), ("s2", "slide", "slides/slide2.xml")]),
            ),
            ("ppt/slides/slide1.xml", slides[0]),
            ("ppt/slides/slide2.xml", slides[1]),
            ("ppt/slides/_rels/slide1.xml.rels", &relationships(&[("n", "notesSlide", "../notes/n.xml")])),
            ("ppt/notes/n.xml", &notes),
        ])
    }

    #[test]
    fn slides_are_pages_in_their_order_with_notes_and_tables() {
        let cell = |text: &str| format!("<a:tc><a:p><a:r><a:t>{text}</a:t></a:r></a:p></a:tc>");
        let table = format!(
            "<a:tbl><a:tblPr firstRow=\"1\"/><a:tr>{}{}</a:tr><a:tr>{}{}</a:tr></a:tbl>",
            cell("Name"),
            cell("Price"),
            cell("Tea"),
            cell("3")
        );
        let one = [shape("title", "Tides"), shape("", "Water rises."), shape("ftr", "ACME")].concat();
        let bytes = pptx(&[&one, &table]);
        let expected = "[page 0 1]\n[header Name|Price]\n[row Tea|3]\n\
            [page 1 2]\n[h1 Tides]\nTides\nWater rises.\nSay it slowly.\n";
        assert_eq!(shown(Pptx, &bytes).unwrap(), expected);
        assert_eq!(shown(Zip, &bytes).unwrap(), expected, "the content decides, not the name");
    }

    #[test]
    fn slides_without_text_are_counted() {
        assert!(shown(Pptx, &pptx(&["<p:pic/>", "<p:pic/>"])).unwrap().ends_with(
            "[page 0 1]\n[page 1 2]\nSay it slowly.\n[warning 1 page has no text, only images]\n"
        ));
        let empty = stored_zip(&[
            ("_rels/.rels", &relationships(&[("1", "officeDocument", "p.xml")])),
            ("p.xml", "<p/>"),
        ]);
        assert_eq!(
            shown(Pptx, &empty).unwrap_err().to_string(),
            "the presentation has no text, perhaps only images"
        );
    }

    #[test]
    fn damaged_slide_leaves_the_others() {
        assert_eq!(
            shown(Pptx, &pptx(&[&shape("title", "Tides"), "<p:sp><"])).unwrap(),
            "[page 0 1]\n[page 1 2]\n[h1 Tides]\nTides\nSay it slowly.\n[warning 1 part is damaged and left out]\n"
        );
    }

    #[test]
    fn damaged_presentations_do_not_panic() {
        survives_damage(Pptx, &pptx(&[&shape("title", "Tides"), &shape("", "text")]));
    }
}
