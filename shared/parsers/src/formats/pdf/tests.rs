//! These tests need libpdfium, which `scripts/install` installs, found by PDFIUM_LIBRARY or at its default place in
//! the checkout.

use std::fmt::Write;

use frames::DocumentFormat::Pdf;
use frames::Frame;
use image::RgbImage;

use super::*;
use crate::testing::{frames_with, ocr_options, pdfium, show, survives_damage_with};

fn options() -> Options {
    Options { pdfium_library: Some(pdfium()), ..Options::default() }
}

/// A PDF of these objects, numbered from 1; the first one is the catalog.
fn pdf(objects: &[String]) -> Vec<u8> {
    let mut file = "%PDF-1.7\n".to_owned();
    let mut offsets = Vec::new();
    for (index, object) in objects.iter().enumerate() {
        offsets.push(file.len());
        write!(file, "{} 0 obj\n{object}\nendobj\n", index + 1).unwrap();
    }
    let start = file.len();
    write!(file, "xref\n0 {}\n0000000000 65535 f \n", offsets.len() + 1).unwrap();
    for offset in &offsets {
        writeln!(file, "{offset:010} 00000 n ").unwrap();
    }
    let size = offsets.len() + 1;
    write!(file, "trailer\n<< /Size {size} /Root 1 0 R /Info 4 0 R >>\nstartxref\n{start}\n%%EOF\n").unwrap();
    file.into_bytes()
}

/// A PDF with one page for each content stream, and these further entries in the catalog.
fn pages(contents: &[&str], catalog: &str, further: &[String]) -> Vec<u8> {
    pages_with(contents, catalog, further, "")
}

/// As [`pages`], with these entries in each page.
fn pages_with(contents: &[&str], catalog: &str, further: &[String], entries: &str) -> Vec<u8> {
    let first_page = 5 + further.len();
    let kids: String = (0..contents.len()).map(|index| format!("{} 0 R ", first_page + 2 * index)).collect();
    let mut objects = vec![
        format!("<< /Type /Catalog /Pages 2 0 R {catalog} >>"),
        format!("<< /Type /Pages /Count {} /Kids [{kids}] >>", contents.len()),
        "<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>".to_owned(),
        "<< /Title (A test) >>".to_owned(),
    ];
    objects.extend_from_slice(further);
    for content in contents {
        let stream = objects.len() + 2;
        objects.push(format!(
            "<< /Type /Page /Parent 2 0 R {entries} /MediaBox [0 0 600 800] /Contents {stream} 0 R \
             /Resources << /Font << /F 3 0 R >> >> >>"
        ));
        objects.push(format!("<< /Length {} >>\nstream\n{content}\nendstream", content.len()));
    }
    pdf(&objects)
}

/// As [`pages`], with these resources beside the font.
fn pages_with_resources(contents: &[&str], further: &[String], resources: &str) -> Vec<u8> {
    let document = pages(contents, "", further);
    let fonts = b"/Resources << /Font << /F 3 0 R >>";
    let mut bytes = Vec::with_capacity(document.len());
    let mut rest = document.as_slice();
    while let Some(at) = rest.windows(fonts.len()).position(|window| window == fonts) {
        bytes.extend_from_slice(&rest[..at + fonts.len()]);
        bytes.extend_from_slice(resources.as_bytes());
        rest = &rest[at + fonts.len()..];
    }
    bytes.extend_from_slice(rest);
    bytes
}

/// A content stream with lines of text at their positions.
pub(crate) fn lines(lines: &[(i32, i32, &str)]) -> String {
    let lines: String =
        lines.iter().map(|(x, y, text)| format!("BT /F 12 Tf {x} {y} Td ({text}) Tj ET\n")).collect();
    lines
}

fn parsed(bytes: &[u8]) -> Result<String, ParseError> {
    frames_with(Pdf, bytes, &options()).map(|frames| show(&frames))
}

#[test]
fn pages_have_labels_and_their_outline() {
    let one = lines(&[(72, 700, "Preface"), (72, 680, "Some words.")]);
    let two = lines(&[(72, 700, "The end of it."), (72, 680, "2 The Tides"), (72, 660, "Water rises.")]);
    let outline = [
        "<< /First 6 0 R /Last 7 0 R /Count 2 >>".to_owned(),
        "<< /Title (Preface) /Parent 5 0 R /Next 7 0 R /Dest [10 0 R /Fit] >>".to_owned(),
        "<< /Title (Tides) /Parent 5 0 R /Prev 6 0 R /First 8 0 R /Last 8 0 R /Count 1 /Dest [12 0 R /Fit] >>"
            .to_owned(),
        "<< /Title (The tides) /Parent 7 0 R /A << /S /GoTo /D [12 0 R /Fit] >> >>".to_owned(),
        "<< >>".to_owned(),
    ];
    let labels = "/PageLabels << /Nums [0 << /S /r >> 1 << /S /D /P (A-) /St 5 >>] >> /Outlines 5 0 R";
    assert_eq!(
        parsed(&pages(&[&one, &two], labels, &outline)).unwrap(),
        "[title A test]\n[page 0 i]\n[h1 Preface]\nPreface\nSome words.\n\
         [page 1 A-5]\n[h1 Tides]\nThe end of it.\n[h2 The tides]\n2 The Tides\nWater rises.\n"
    );
}

#[test]
fn outline_in_a_circle_ends() {
    let text = lines(&[(72, 700, "Text")]);
    let outline = [
        "<< /First 6 0 R /Last 6 0 R >>".to_owned(),
        "<< /Title (A) /Parent 5 0 R /Next 6 0 R /First 6 0 R /Dest [7 0 R /Fit] >>".to_owned(),
    ];
    let frames = frames_with(Pdf, &pages(&[&text], "/Outlines 5 0 R", &outline), &options()).unwrap();
    let headings = frames.iter().filter(|frame| matches!(frame, Frame::Heading { .. })).count();
    assert!((1..=crate::limits::MAX_OUTLINE_ENTRIES).contains(&headings), "{headings}");
}

#[test]
fn pages_without_text_are_counted_and_a_document_of_them_fails() {
    let image = "0 0 m 100 100 l S";
    let text = lines(&[(72, 700, "Text")]);
    assert_eq!(
        parsed(&pages(&[image, &text, ""], "", &[])).unwrap(),
        "[title A test]\n[page 0 ]\n[page 1 ]\nText\n[page 2 ]\n[warning 1 page has no text, only images]\n"
    );
    assert_eq!(
        parsed(&pages(&[image], "", &[])).unwrap_err().to_string(),
        "the PDF has no text, only images, and OCR is off; set \"ocr\" to true in a reindex of the collection"
    );
}

/// A page with content that nobody sees.
const BLANK: &str = "1 1 1 rg 0 0 9 9 re f";

/// An image of a page as the only content of a page, which is what a scanner writes.
fn scanned(picture: &RgbImage) -> Vec<String> {
    let hex: String = picture.as_raw().iter().fold(String::new(), |mut hex, byte| {
        let _ = write!(hex, "{byte:02x}");
        hex
    });
    let (width, height) = picture.dimensions();
    vec![format!(
        "<< /Type /XObject /Subtype /Image /Width {width} /Height {height} /ColorSpace /DeviceRGB \
         /BitsPerComponent 8 /Filter /ASCIIHexDecode /Length {} >>\nstream\n{hex}>\nendstream",
        hex.len() + 1
    )]
}

/// The picture of a page with this content.
pub(crate) fn picture_of(content: &str) -> RgbImage {
    let pdfium = load_library(Some(&pdfium())).unwrap();
    let bytes = pages(&[content], "", &[]);
    let document = pdfium.load_pdf_from_byte_slice(&bytes, None).unwrap();
    picture::render(&document.pages().get(0).unwrap()).unwrap()
}

#[test]
fn scanned_pages_are_read_in_the_order_of_the_pages() {
    let letter =
        picture_of(&lines(&[(72, 700, "Dear harbour master, the ebb"), (72, 685, "starts at noon.")]));
    let resources = "/XObject << /I 5 0 R >>";
    let scan = "q 600 0 0 800 0 0 cm /I Do Q";
    let text = lines(&[(72, 700, "A text layer")]);
    let document = pages_with_resources(&[&text, scan, BLANK], &scanned(&letter), resources);
    let shown = show(&frames_with(Pdf, &document, &ocr_options()).unwrap());
    assert_eq!(
        shown,
        "[title A test]\n[page 0 ]\nA text layer\n[page 1 ]\nDear harbour master, the ebb\nstarts at noon.\n[page 2 ]\n\
         [warning 1 page has no text, only images]\n"
    );
}

#[test]
fn document_in_which_ocr_finds_nothing_has_a_reason() {
    let error = frames_with(Pdf, &pages(&[BLANK], "", &[]), &ocr_options()).unwrap_err();
    assert_eq!(error.to_string(), "the PDF has no text, only images, and OCR finds no text");
}

#[test]
fn pages_after_the_limit_of_ocr_are_left_out() {
    let blank: Vec<&str> = std::iter::repeat_n(BLANK, MAX_OCR_PAGES as usize + 2).collect();
    let text = lines(&[(72, 700, "Text")]);
    let document = pages(&[blank.as_slice(), &[&text]].concat(), "", &[]);
    let shown = show(&frames_with(Pdf, &document, &ocr_options()).unwrap());
    assert!(
        shown.ends_with(
            "Text\n[warning 100 pages have no text, only images]\n\
         [warning 2 pages without text are not read: after the limit of OCR]\n"
        ),
        "{shown}"
    );
}

#[test]
fn filled_fields_of_a_form_are_read() {
    let text = lines(&[(72, 700, "Name")]);
    let field = "<< /Type /Annot /Subtype /Widget /FT /Tx /T (name) /V (Ada) /Rect [100 690 200 710] >>";
    let form =
        pages_with(&[&text], "/AcroForm << /Fields [5 0 R] >>", &[field.to_owned()], "/Annots [5 0 R]");
    assert_eq!(parsed(&form).unwrap(), "[title A test]\n[page 0 ]\nName\nAda\n");
}

#[test]
fn document_is_opened_anew_without_losing_pages() {
    let contents: Vec<String> = (0..50).map(|page| lines(&[(72, 700, &format!("Page {page}"))])).collect();
    let contents: Vec<&str> = contents.iter().map(String::as_str).collect();
    let shown = parsed(&pages(&contents, "", &[])).unwrap();
    for page in 0..50 {
        assert!(shown.contains(&format!("[page {page} ]\nPage {page}\n")), "{shown}");
    }
}

#[test]
fn damaged_documents_and_missing_library_have_a_reason() {
    assert_eq!(
        parsed(b"%PDF-1.7 and nothing").unwrap_err().to_string(),
        "the PDF is damaged: its structure cannot be read"
    );
    let missing = Options { pdfium_library: Some("/no/such.so".into()), ..Options::default() };
    let error = frames_with(Pdf, b"%PDF-1.7", &missing);
    // The library may be loaded already by another test of this process.
    if let Err(ParseError::Library(reason)) = &error {
        assert!(reason.starts_with("PDFium cannot be loaded from /no/such.so: "), "{reason}");
    }
    let error = frames_with(Pdf, b"%PDF-1.7", &Options::default()).unwrap_err();
    assert_eq!(error.to_string(), "PDFium: no library given; set PDFIUM_LIBRARY");
}

#[test]
fn damaged_documents_do_not_panic() {
    let text = lines(&[(72, 700, "Text of a page"), (72, 680, "and more")]);
    let outline = [
        "<< /First 6 0 R /Last 6 0 R >>".to_owned(),
        "<< /Title (Text) /Parent 5 0 R /Dest [7 0 R /Fit] >>".to_owned(),
    ];
    survives_damage_with(Pdf, &pages(&[&text], "/Outlines 5 0 R", &outline), &options());
}
