//! Hostile documents in the real child process. PDF documents need libpdfium, see `formats/pdf/tests.rs`.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail the test, as tests do")]

use std::fs::File;
use std::io::{Seek, Write};
use std::path::Path;

use frames::{DocumentFormat, Frame};
use sandbox::{Job, Limits, Sandbox, SandboxError};

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
    Job { format, file_name: "test".into(), pdfium_library: None, limits: Limits::default() }
}

async fn parse(job: &Job, bytes: &[u8]) -> Result<Vec<Frame>, SandboxError> {
    let mut run = sandbox().start(job, file(bytes))?;
    let mut frames = Vec::new();
    while let Some(frame) = run.next().await? {
        frames.push(frame);
    }
    Ok(frames)
}

/// A workbook whose shared strings claim to be this many.
fn workbook(strings: &str) -> Vec<u8> {
    const TYPES: &str = "http://schemas.openxmlformats.org/officeDocument/2006/relationships";
    let mut writer = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    let parts = [
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
        (
            "xl/sheet.xml",
            r#"<worksheet><sheetData><row r="1"><c r="A1"><v>7</v></c></row></sheetData></worksheet>"#.into(),
        ),
    ];
    for (path, content) in parts {
        writer.start_file(path, zip::write::SimpleFileOptions::default()).unwrap();
        writer.write_all(content.as_bytes()).unwrap();
    }
    writer.finish().unwrap().into_inner()
}

#[tokio::test]
async fn document_is_parsed_and_a_damaged_one_has_a_reason() {
    let mail = b"Subject: Tides\r\n\r\nWater rises.\r\n";
    let frames = parse(&job(DocumentFormat::Eml), mail).await.unwrap();
    assert!(frames.contains(&Frame::Title("Tides".into())), "{frames:?}");
    assert!(matches!(frames.last(), Some(Frame::End(summary)) if summary.text_bytes > 0), "{frames:?}");
    let error = parse(&job(DocumentFormat::Docx), b"PK\x03\x04 damaged").await.unwrap_err();
    assert!(error.to_string().starts_with("the Word document is damaged: "), "{error}");
}

#[tokio::test]
async fn document_that_needs_too_much_memory_costs_the_child_only() {
    let strings = r#"<sst uniqueCount="7999999"><si><t>x</t></si></sst>"#;
    assert!(parse(&job(DocumentFormat::Xlsx), &workbook(strings)).await.is_ok());
    let mut small = job(DocumentFormat::Xlsx);
    small.limits.memory_bytes = 128 << 20;
    assert_eq!(
        parse(&small, &workbook(strings)).await.unwrap_err().to_string(),
        "the Excel workbook (XLSX) needs more than 128 MiB of memory; split it"
    );
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

/// The library that `scripts/install` installs, or that PDFIUM_LIBRARY names.
fn libpdfium() -> std::path::PathBuf {
    if let Some(library) = std::env::var_os("PDFIUM_LIBRARY") {
        return library.into();
    }
    let python = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../.venv/lib");
    let versions = std::fs::read_dir(python).into_iter().flatten().flatten();
    versions
        .map(|version| version.path().join("site-packages/pypdfium2_raw/libpdfium.so"))
        .find(|library| library.is_file())
        .expect("no libpdfium.so under .venv and PDFIUM_LIBRARY is not set: run scripts/install")
}
