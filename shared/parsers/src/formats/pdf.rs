//! PDF: the text layer page by page, with the outline as headings. Pages without one are read by OCR, if it is on.
//!
//! Read with PDFium, the fastest of six candidates (1,204 pages per CPU second) with the least memory (47 MB), and
//! the one that browsers expose to hostile files. It is a library beside the program, and its documents are closed
//! and opened again every few pages, since it caches every stream that it visits.

mod layout;
mod outline;
mod picture;
mod text;

use std::path::Path;

use frames::WarningKind;
use ocr::Recognizer;
use pdfium_render::prelude::{
    PdfDocument, PdfDocumentMetadataTagType, PdfPage, PdfPageAnnotation, PdfPageObjectsCommon,
    PdfPageTextChars, Pdfium, PdfiumError, PdfiumInternalError,
};

use crate::limits::{MAX_ANNOTATIONS, MAX_OCR_PAGES, MAX_PAGE_CHARACTERS, MAX_PAGES};
use crate::output::Output;
use crate::parser::Parser;
use crate::pictures::read_picture;
use crate::{Input, Options, ParseError};

use layout::Area;
use outline::{Entry, outline};
use text::Word;

pub(crate) const PARSER: Parser = Parser { parse, no_text: "the PDF has no text, only images" };

const WHAT: &str = "the PDF";

/// Pages after which the document is opened anew. With 20, a PDF of 500 MB takes 41 MB instead of 522 MB.
const PAGES_PER_OPENING: u32 = 20;

/// Loads PDFium, once per process.
///
/// # Errors
/// Returns `Library` if there is no such library, or it is of another version.
pub(crate) fn load_library(path: Option<&Path>) -> Result<Pdfium, ParseError> {
    let path =
        path.ok_or_else(|| ParseError::Library("PDFium: no library given; set PDFIUM_LIBRARY".into()))?;
    match Pdfium::bind_to_library(path) {
        Ok(bindings) => Ok(Pdfium::new(bindings)),
        Err(PdfiumError::PdfiumLibraryBindingsAlreadyInitialized) => Ok(Pdfium::default()),
        Err(error) => {
            Err(ParseError::Library(format!("PDFium cannot be loaded from {}: {error}", path.display())))
        }
    }
}

fn parse(input: &mut dyn Input, options: &Options, output: &mut Output<'_>) -> Result<(), ParseError> {
    let pdfium = load_library(options.pdfium_library.as_deref())?;
    let mut document = open(&pdfium, input)?;
    let page_count = u32::try_from(document.pages().len()).unwrap_or_default();
    let title = document.metadata().get(PdfDocumentMetadataTagType::Title);
    if let Some(title) = title.as_ref().map(|tag| tag.value().trim()) {
        output.title(title.strip_prefix("Microsoft Word - ").unwrap_or(title))?;
    }
    let entries = outline(&document);
    append_attachments(&document, output)?;
    let mut ocr = Ocr { recognizer: options.ocr.as_ref(), pages: 0 };
    let mut opened_at = 0;
    for index in 0..page_count.min(MAX_PAGES) {
        if index - opened_at == PAGES_PER_OPENING {
            drop(document);
            document = open(&pdfium, input)?;
            opened_at = index;
        }
        let start = entries.partition_point(|entry| entry.page < index);
        let end = entries.partition_point(|entry| entry.page <= index);
        append_page(&document, index, &entries[start..end], &mut ocr, output)?;
    }
    output.warn(WarningKind::PagesLeftOut, page_count.saturating_sub(MAX_PAGES).into());
    Ok(())
}

fn open<'a>(pdfium: &'a Pdfium, input: &'a mut dyn Input) -> Result<PdfDocument<'a>, ParseError> {
    input.rewind().map_err(ParseError::Input)?;
    // Without a password, PDFium tries the empty one.
    pdfium.load_pdf_from_reader(input, None).map_err(|error| match error {
        PdfiumError::PdfiumLibraryInternalError(PdfiumInternalError::PasswordError) => {
            ParseError::encrypted(WHAT)
        }
        PdfiumError::PdfiumLibraryInternalError(PdfiumInternalError::SecurityError) => ParseError::failure(
            frames::FailureKind::Encrypted,
            format!("{WHAT} has an encryption that is not supported; upload it without encryption"),
        ),
        PdfiumError::PdfiumLibraryInternalError(_) => {
            ParseError::damaged(WHAT, "its structure cannot be read")
        }
        other => ParseError::damaged(WHAT, other),
    })
}

fn append_page(
    document: &PdfDocument<'_>,
    index: u32,
    entries: &[Entry],
    ocr: &mut Ocr<'_>,
    output: &mut Output<'_>,
) -> Result<(), ParseError> {
    let page = i32::try_from(index).ok().and_then(|index| document.pages().get(index).ok());
    output.page(page.as_ref().and_then(PdfPage::label).unwrap_or_default())?;
    let Some(page) = page else {
        output.warn(WarningKind::PartsUnreadable, 1);
        return outline::append_text("", entries, output);
    };
    let Ok(text) = page.text() else {
        output.warn(WarningKind::PartsUnreadable, 1);
        return outline::append_text("", entries, output);
    };
    let characters = text.chars();
    if characters.len() > MAX_PAGE_CHARACTERS {
        output.warn(WarningKind::TextTruncated, 1);
    }
    let values: Vec<u32> =
        characters.iter().take(MAX_PAGE_CHARACTERS).map(|found| found.unicode_value()).collect();
    let words = text::words(&values);
    let areas: Vec<Option<Area>> = words.iter().map(|word| area_of(word, &characters)).collect();
    let mut text = layout::arrange(&words, &areas);
    let values = field_values(&page);
    if text.trim().is_empty() && values.is_empty() && !page.objects().is_empty() {
        text = ocr.read(&page, output)?;
    }
    outline::append_text(&text, entries, output)?;
    values.iter().try_for_each(|value| output.line(value))
}

/// Reads pages without text.
struct Ocr<'a> {
    recognizer: Option<&'a Recognizer>,
    /// Pages that were read.
    pages: u32,
}

impl Ocr<'_> {
    /// Returns the text of a page, with a line feed at its end, and warns if there is none.
    fn read(&mut self, page: &PdfPage<'_>, output: &mut Output<'_>) -> Result<String, ParseError> {
        let Some(recognizer) = self.recognizer else {
            output.warn(WarningKind::PagesWithoutText, 1);
            return Ok(String::new());
        };
        if self.pages == MAX_OCR_PAGES {
            output.warn(WarningKind::OcrPagesLeftOut, 1);
            return Ok(String::new());
        }
        self.pages += 1;
        let Ok(picture) = picture::render(page) else {
            output.warn(WarningKind::PartsUnreadable, 1);
            return Ok(String::new());
        };
        let text = read_picture(recognizer, picture)?;
        if text.is_empty() {
            output.warn(WarningKind::PagesWithoutText, 1);
        }
        Ok(text)
    }
}

/// What is filled into the fields of a form, which is not part of the page's text.
fn field_values(page: &PdfPage<'_>) -> Vec<String> {
    let value = |annotation: &PdfPageAnnotation<'_>| {
        let field = annotation.as_form_field()?;
        let text = field.as_text_field().and_then(|field| field.value());
        let choice = || field.as_combo_box_field().and_then(|field| field.value());
        let item = || field.as_list_box_field().and_then(|field| field.value());
        text.or_else(choice).or_else(item).filter(|value| !value.trim().is_empty())
    };
    page.annotations().iter().take(MAX_ANNOTATIONS).filter_map(|annotation| value(&annotation)).collect()
}

/// Returns the place of a word from those of its first and last character.
fn area_of(word: &Word, characters: &PdfPageTextChars<'_>) -> Option<Area> {
    let bounds = |position: usize| characters.get(position).ok()?.loose_bounds().ok();
    let (first, last) = (bounds(word.first)?, bounds(word.last)?);
    Some(Area {
        left: first.left().value.min(last.left().value),
        right: first.right().value.max(last.right().value),
        bottom: first.bottom().value.min(last.bottom().value),
        top: first.top().value.max(last.top().value),
    })
}

fn append_attachments(document: &PdfDocument<'_>, output: &mut Output<'_>) -> Result<(), ParseError> {
    for attachment in document.attachments().iter() {
        match attachment.save_to_bytes() {
            Ok(bytes) => output.attachment(&attachment.name(), "", &mut bytes.as_slice())?,
            Err(_damaged) => output.warn(WarningKind::PartsUnreadable, 1),
        }
    }
    Ok(())
}

#[cfg(test)]
pub(super) mod tests;
