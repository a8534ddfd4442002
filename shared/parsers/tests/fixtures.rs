//! Documents of other projects, which are not copied into this repository. To run these tests, download and unpack
//! the packages into one folder, and give its path:
//!
//! ```text
//! pip download --no-deps --no-binary :all: -d DIR pypdf==7.1.1 tabula-py==2.10.0 python-docx==1.2.0 \
//!     python-pptx==1.0.2 odfpy==1.4.1 oletools==0.60.2
//! cd DIR && for archive in *.tar.gz; do tar xzf $archive; done && unzip oletools-0.60.2.zip
//! DOCUMENT_FIXTURES=DIR cargo test -p parsers --test fixtures -- --ignored
//! ```

#![expect(clippy::unwrap_used, reason = "helpers of tests fail the test, as tests do")]

use std::fs::File;
use std::path::{Path, PathBuf};

use frames::{DocumentFormat, Frame, push_row_text};
use parsers::{Options, ParseError, parse};

/// The document's text, or the reason why there is none.
fn text_of(path: &str) -> Result<String, String> {
    let folder =
        std::env::var_os("DOCUMENT_FIXTURES").expect("DOCUMENT_FIXTURES is not set: see the first lines");
    let path = Path::new(&folder).join(path);
    let mut file = File::open(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let file_name = path.to_str().unwrap().to_owned();
    let format = DocumentFormat::detect(&file_name, "", b"").unwrap();
    let options = Options { file_name, pdfium_library: Some(libpdfium()), ocr: None };
    let mut text = String::new();
    let mut sink = |frame| {
        match frame {
            Frame::Text(more) => text += &more,
            Frame::Row { cells, .. } => push_row_text(&cells, &mut text),
            Frame::AttachmentStart { name, .. } => text += &format!("[{name}]\n"),
            _ => {}
        }
        Ok(())
    };
    match parse(format, &mut file, &options, &mut sink) {
        Ok(_summary) => Ok(text),
        Err(ParseError::Document(failure)) => Err(failure.reason),
        Err(other) => panic!("{}: {other:?}", path.display()),
    }
}

fn libpdfium() -> PathBuf {
    std::env::var_os("PDFIUM_LIBRARY").expect("PDFIUM_LIBRARY is not set").into()
}

#[test]
#[ignore = "needs documents of other projects, see the first lines"]
fn documents_have_their_text() {
    for (path, words) in [
        ("pypdf-7.1.1/resources/crazyones.pdf", "The round pegs in the square holes."),
        ("pypdf-7.1.1/resources/multilang.pdf", "สวัสดีชาวโลก"),
        ("pypdf-7.1.1/resources/multilang.pdf", "مرحبا بالعالم"),
        ("pypdf-7.1.1/resources/encryption/r6-empty-password.pdf", "encryption"),
        ("tabula_py-2.10.0/tests/resources/MultiColumn.pdf", "2\t101\t201\n"),
        ("tabula_py-2.10.0/tests/resources/12s0324.pdf", "Aggravated assault"),
        ("python_docx-1.2.0/features/steps/test_files/comments-rich-para.docx", "Text with character style."),
        ("python_docx-1.2.0/features/steps/test_files/hdr-header-footer.docx", "Header for section-1"),
        ("python_pptx-1.0.2/features/steps/test_files/prs-notes.pptx", "Notes"),
        ("python_pptx-1.0.2/features/steps/test_files/tbl-cell.pptx", "d\te\tf\n"),
        ("odfpy-1.4.1/tests/examples/simpletable.odt", "Cell 1\tCell 2\n"),
        ("odfpy-1.4.1/tests/examples/twolevellist.odt", "Subitem B.2 (bold)"),
        ("odfpy-1.4.1/tests/examples/pythagoras.ods", "5\n"),
        ("oletools-0.60.2/tests/test-data/msodde/harmless-clean.doc", "some ünicöde-ßtringß"),
    ] {
        let text = text_of(path).unwrap_or_else(|reason| panic!("{path}: {reason}"));
        assert!(text.contains(words), "{path}: {text}");
    }
}

#[test]
#[ignore = "needs documents of other projects, see the first lines"]
fn encrypted_documents_say_so() {
    for path in [
        "pypdf-7.1.1/resources/encryption/r2-user-password.pdf",
        "pypdf-7.1.1/resources/encryption/r6-user-password.pdf",
        "oletools-0.60.2/tests/test-data/encrypted/encrypted.doc",
        "oletools-0.60.2/tests/test-data/encrypted/encrypted.docx",
        "oletools-0.60.2/tests/test-data/encrypted/encrypted.ppt",
        "oletools-0.60.2/tests/test-data/encrypted/encrypted.xls",
        "oletools-0.60.2/tests/test-data/encrypted/encrypted.xlsx",
    ] {
        let reason = text_of(path).unwrap_err();
        assert!(reason.ends_with(" is encrypted; upload it without a password"), "{path}: {reason}");
    }
}
