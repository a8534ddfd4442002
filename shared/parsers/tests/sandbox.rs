//! Hostile documents in the real child process. PDF documents need libpdfium, see `formats/pdf/tests.rs`.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail the test, as tests do")]

use std::error::Error;
use std::fs::File;
use std::io::{Seek, Write};
use std::path::{Path, PathBuf};

use domain::Classify;
use frames::{DocumentFormat, Frame};
use sandbox::{Job, Limits, OcrFiles, Sandbox, SandboxError};

fn sandbox() -> Sandbox {
    Sandbox { executable: env!("CARGO_BIN_EXE_parser").into(), arguments: Vec::new() }
}

fn file(bytes: &[u8]) -> File {
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(bytes).unwrap();
    file.rewind().unwrap();
    file
}

fn job(format: DocumentFormat) -> Job {
    Job { format, file_name: "test".into(), pdfium_library: None, ocr: None, limits: Limits::default() }
}

async fn parse(job: &Job, bytes: &[u8]) -> Result<Vec<Frame>, SandboxError> {
    let mut run = sandbox().start(job, file(bytes))?;
    let mut frames = Vec::new();
    while let Some(frame) = run.next().await? {
        frames.push(frame);
    }
    Ok(frames)
}

const TYPES: &str = "http://schemas.openxmlformats.org/officeDocument/2006/relationships";

/// An archive of parts that are not compressed.
fn package(parts: &[(&str, String)]) -> Vec<u8> {
    let options = zip::write::SimpleFileOptions::default().compression_method(zip::CompressionMethod::Stored);
    let mut writer = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    for (path, content) in parts {
        writer.start_file(*path, options).unwrap();
        writer.write_all(content.as_bytes()).unwrap();
    }
    writer.finish().unwrap().into_inner()
}

/// A Word document with this body.
fn word(body: &str) -> Vec<u8> {
    let link = format!(r#"<Relationship Id="1" Type="{TYPES}/officeDocument" Target="d.xml"/>"#);
    package(&[
        ("_rels/.rels", format!("<Relationships>{link}</Relationships>")),
        ("d.xml", format!("<w:document><w:body>{body}</w:body></w:document>")),
    ])
}

/// A workbook with these shared strings and rows.
fn workbook(strings: &str, rows: &str) -> Vec<u8> {
    package(&[
        (
            "_rels/.rels",
            format!(
                r#"<Relationships><Relationship Id="1" Type="{TYPES}/officeDocument" Target="xl/workbook.xml"/></Relationships>"#
            ),
        ),
        (
            "xl/workbook.xml",
            r#"<workbook xmlns:r="x"><sheets><sheet name="S" sheetId="1" r:id="s"/></sheets></workbook>"#
                .into(),
        ),
        (
            "xl/_rels/workbook.xml.rels",
            format!(
                r#"<Relationships><Relationship Id="s" Type="{TYPES}/worksheet" Target="sheet.xml"/></Relationships>"#
            ),
        ),
        ("xl/sharedStrings.xml", strings.to_owned()),
        ("xl/sheet.xml", format!("<worksheet><sheetData>{rows}</sheetData></worksheet>")),
    ])
}

const ROW: &str = r#"<row r="1"><c r="A1"><v>7</v></c><c r="B1"><v>8</v></c></row>"#;

#[tokio::test]
async fn document_is_parsed_and_a_damaged_one_has_a_reason() {
    let mail = b"Subject: Tides\r\n\r\nWater rises.\r\n";
    let frames = parse(&job(DocumentFormat::Eml), mail).await.unwrap();
    assert!(frames.contains(&Frame::Title("Tides".into())), "{frames:?}");
    assert!(matches!(frames.last(), Some(Frame::End(summary)) if summary.text_bytes > 0), "{frames:?}");
    let error = parse(&job(DocumentFormat::Docx), b"PK\x03\x04 damaged").await.unwrap_err();
    assert!(error.to_string().starts_with("the Word document is damaged: "), "{error}");
}

/// A record of a workbook of before 2007.
fn record(kind: u16, content: &[u8]) -> Vec<u8> {
    let length = u16::try_from(content.len()).unwrap();
    [&kind.to_le_bytes(), &length.to_le_bytes(), content].concat()
}

/// A workbook of before 2007 with this record in its globals, and this one in its only sheet.
fn legacy_workbook(global: &[u8], in_sheet: &[u8]) -> Vec<u8> {
    let start = |kind: u8| record(0x0809, &[&[0, 6, kind, 0], [0; 12].as_slice()].concat());
    let end = record(0x000A, &[]);
    let globals = |offset: usize| {
        let offset = u32::try_from(offset).unwrap().to_le_bytes();
        let sheet = record(0x0085, &[offset.as_slice(), &[0, 0, 4, 0], b"Teas"].concat());
        [start(5).as_slice(), &sheet, global, &end].concat()
    };
    let stream = [globals(globals(0).len()).as_slice(), &start(0x10), in_sheet, &end].concat();
    let mut file = cfb::CompoundFile::create(std::io::Cursor::new(Vec::new())).unwrap();
    file.create_stream("/Workbook").unwrap().write_all(&stream).unwrap();
    file.flush().unwrap();
    file.into_inner().into_inner()
}

#[tokio::test]
async fn panic_of_a_parser_is_the_documents_failure_and_its_place_is_for_the_log() {
    const DATE_SYSTEM: u16 = 0x0022;
    let number = record(0x0203, &[[0; 6].as_slice(), &2.5_f64.to_le_bytes()].concat());
    assert!(
        parse(&job(DocumentFormat::Xls), &legacy_workbook(&record(DATE_SYSTEM, &[0, 0]), &number))
            .await
            .is_ok()
    );
    // calamine reads the date system whatever the length of its record, in the release profile, too.
    let damaged = legacy_workbook(&record(DATE_SYSTEM, &[]), &number);
    let error = parse(&job(DocumentFormat::Xls), &damaged).await.unwrap_err();
    let reason = "the Excel workbook (XLS) is damaged: its parser gives up; \
        save it again with the program that it comes from";
    assert_eq!(error.to_string(), reason);
    assert_eq!(error.public_message().as_deref(), Some(reason));
    assert!(!error.kind().is_retryable());
    let log = error.source().unwrap().to_string();
    assert!(log.starts_with("the parser's process wrote: panicked at "), "{log}");
    assert!(log.contains("/calamine-"), "{log}");
}

#[tokio::test]
async fn memory_that_a_damaged_document_claims_is_told_from_a_panic() {
    // A sheet with four thousand million rows of 256 columns, for which calamine reserves memory.
    let dimensions = record(0x0200, &[&[0; 4], [0xFF; 4].as_slice(), &[0, 0, 0, 1, 0, 0]].concat());
    let error = parse(&job(DocumentFormat::Xls), &legacy_workbook(&[], &dimensions)).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "the Excel workbook (XLS) needs more than 768 MiB of memory; it may be damaged: save it again, or split it"
    );
    let log = error.source().unwrap().to_string();
    assert!(log.contains("memory allocation of"), "{log}");
}

#[tokio::test]
async fn document_that_needs_too_much_memory_costs_the_child_only() {
    let strings = r#"<sst uniqueCount="7999999"><si><t>x</t></si></sst>"#;
    assert!(parse(&job(DocumentFormat::Xlsx), &workbook(strings, ROW)).await.is_ok());
    let mut small = job(DocumentFormat::Xlsx);
    small.limits.memory_bytes = 128 << 20;
    assert_eq!(
        parse(&small, &workbook(strings, ROW)).await.unwrap_err().to_string(),
        "the Excel workbook (XLSX) needs more than 128 MiB of memory; it may be damaged: save it again, or split it"
    );
}

/// The address space of the child with its libraries, and what streaming needs.
const SMALL_MEMORY: u64 = 32 << 20;

#[tokio::test]
async fn memory_does_not_grow_with_the_document() {
    const REPETITIONS: usize = 250_000;
    let paragraph = "<w:p><w:r><w:t>A paragraph of a long document.</w:t></w:r></w:p>";
    let row = r#"<row><c t="inlineStr"><is><t>A cell of a long sheet</t></is></c><c><v>7</v></c></row>"#;
    let mailbox = format!("From a\n\n{}\n", "a line\n".repeat(100)).repeat(REPETITIONS / 100);
    for (format, document) in [
        (DocumentFormat::Docx, word(&paragraph.repeat(REPETITIONS))),
        (DocumentFormat::Xlsx, workbook("<sst/>", &row.repeat(REPETITIONS))),
        (DocumentFormat::Zip, package(&[("a.txt", "text ".repeat(10 * REPETITIONS))])),
        (DocumentFormat::Mbox, mailbox.into_bytes()),
        (
            DocumentFormat::Rtf,
            format!("{{\\rtf1 {}}}", "A paragraph of a long document.\\par ".repeat(REPETITIONS)).into(),
        ),
    ] {
        let mut job = job(format);
        job.limits.memory_bytes = SMALL_MEMORY;
        let mut run = sandbox().start(&job, file(&document)).unwrap();
        let mut last = None;
        while let Some(frame) = run.next().await.unwrap_or_else(|error| panic!("{format:?}: {error}")) {
            last = Some(frame);
        }
        assert!(matches!(last, Some(Frame::End(_))), "{format:?}: {last:?}");
    }
}

#[tokio::test]
async fn document_that_takes_too_long_is_ended() {
    let mut impatient = job(DocumentFormat::Mbox);
    impatient.limits.wall_clock = std::time::Duration::from_millis(1);
    let mailbox = format!("From a\n\n{}", "a line of a long mail\n".repeat(1 << 20));
    let error = parse(&impatient, mailbox.as_bytes()).await.unwrap_err();
    assert!(error.to_string().starts_with("the mailbox (MBOX) could not be read within 0 s"), "{error}");
}

#[tokio::test]
async fn missing_library_is_not_the_documents_failure() {
    let mut job = job(DocumentFormat::Pdf);
    job.pdfium_library = Some(Path::new("/no/such/libpdfium.so").into());
    let error = parse(&job, b"%PDF-1.7").await.unwrap_err();
    assert!(
        matches!(&error, SandboxError::Child(reason) if reason.contains("/no/such/libpdfium.so")),
        "{error:?}"
    );
}

#[tokio::test]
async fn pdf_is_parsed_although_the_child_can_open_no_file() {
    let job = Job { pdfium_library: Some(libpdfium()), ..job(DocumentFormat::Pdf) };
    let content = "BT /F 12 Tf 72 700 Td (Water rises.) Tj ET";
    let pdf = format!(
        "%PDF-1.7\n1 0 obj\n<< /Type /Catalog /Pages 2 0 R >>\nendobj\n\
         2 0 obj\n<< /Type /Pages /Count 1 /Kids [3 0 R] >>\nendobj\n\
         3 0 obj\n<< /Type /Page /Parent 2 0 R /MediaBox [0 0 600 800] /Contents 4 0 R /Resources << /Font << /F \
         << /Type /Font /Subtype /Type1 /BaseFont /Helvetica >> >> >> >>\nendobj\n\
         4 0 obj\n<< /Length {} >>\nstream\n{content}\nendstream\nendobj\ntrailer\n<< /Root 1 0 R >>\n%%EOF\n",
        content.len()
    );
    let frames = parse(&job, pdf.as_bytes()).await.unwrap();
    assert!(frames.contains(&Frame::Text("Water rises.\n".into())), "{frames:?}");
}

#[tokio::test]
async fn picture_is_read_although_the_child_can_open_no_file_and_a_bomb_costs_only_itself() {
    let models = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../.local/ocr");
    let ocr = Some(OcrFiles { onnxruntime: onnxruntime(), models });
    let job = Job { ocr, limits: Limits::with_ocr(), ..job(DocumentFormat::Png) };
    let note = std::fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/fixtures/ocr/note.png"))
        .unwrap();
    let frames = parse(&job, &note).await.unwrap();
    let text = "The ferry to the lighthouse leaves\nat half past six in the morning.\n";
    assert!(frames.contains(&Frame::Text(text.into())), "{frames:?}");
    // As many pixels as are allowed, in half a megabyte.
    let blank = image::RgbImage::from_pixel(8_900, 8_900, image::Rgb([255; 3]));
    let mut bomb = std::io::Cursor::new(Vec::new());
    blank.write_to(&mut bomb, image::ImageFormat::Png).unwrap();
    let error = parse(&job, bomb.get_ref()).await.unwrap_err();
    assert_eq!(error.to_string(), "the file is an image, and OCR finds no text");
    let mut small = job.clone();
    small.limits.memory_bytes = 768 << 20;
    assert!(matches!(parse(&small, bomb.get_ref()).await, Err(SandboxError::Document { .. })));
}

/// The library that `scripts/install` installs, or that PDFIUM_LIBRARY names.
fn libpdfium() -> PathBuf {
    std::env::var_os("PDFIUM_LIBRARY")
        .map_or_else(|| installed("pypdfium2_raw", "libpdfium.so"), PathBuf::from)
}

/// The library that `scripts/install` installs, or that ORT_DYLIB_PATH names.
fn onnxruntime() -> PathBuf {
    let installed = || installed("onnxruntime/capi", "libonnxruntime.so.");
    std::env::var_os("ORT_DYLIB_PATH").map_or_else(installed, PathBuf::from)
}

/// The first file of a package whose name starts like this.
fn installed(package: &str, start: &str) -> PathBuf {
    let python = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../.venv/lib");
    let versions = std::fs::read_dir(python).into_iter().flatten().flatten();
    let folders = versions.map(|version| version.path().join("site-packages").join(package));
    let mut files = folders.flat_map(|folder| std::fs::read_dir(folder).into_iter().flatten().flatten());
    let found = files.find(|file| file.file_name().to_string_lossy().starts_with(start));
    found.unwrap_or_else(|| panic!("no {start} of {package} under .venv: run scripts/install")).path()
}
