//! What the tests of the formats share: parsing into text that can be compared, and ZIP archives of parts.

use std::io::{Cursor, Write};
use std::path::{Path, PathBuf};

use frames::{DocumentFormat, Frame, Summary, push_row_text};
use zip::write::SimpleFileOptions;

use crate::{Options, ParseError, parse};

/// Parses bytes; returns the frames.
pub(crate) fn frames_of(format: DocumentFormat, bytes: &[u8]) -> Result<Vec<Frame>, ParseError> {
    frames_with(format, bytes, &Options::default())
}

/// Parses bytes with these options; returns the frames.
pub(crate) fn frames_with(
    format: DocumentFormat,
    bytes: &[u8],
    options: &Options,
) -> Result<Vec<Frame>, ParseError> {
    let mut frames = Vec::new();
    let mut sink = |frame| {
        frames.push(frame);
        Ok(())
    };
    let summary = parse(format, &mut Cursor::new(bytes), options, &mut sink)?;
    assert_eq!(summary_of(&frames), summary, "the summary counts the frames");
    assert_eq!(frames.last(), Some(&Frame::End(summary)));
    Ok(frames)
}

/// Parses bytes; returns the frames in one string, one line per frame that is not text.
pub(crate) fn shown(format: DocumentFormat, bytes: &[u8]) -> Result<String, ParseError> {
    frames_of(format, bytes).map(|frames| show(&frames))
}

/// Options with PDFium and OCR.
pub(crate) fn ocr_options() -> Options {
    let models = checkout().join(".local/ocr");
    let libraries = "site-packages/onnxruntime/capi";
    let onnxruntime = std::env::var_os("ORT_DYLIB_PATH").map(PathBuf::from).or_else(|| {
        let folder = installed(libraries)?.read_dir().ok()?;
        let mut files = folder.flatten().map(|file| file.path());
        files.find(|file| file.to_string_lossy().contains("libonnxruntime.so."))
    });
    let onnxruntime = onnxruntime
        .expect("no libonnxruntime.so under .venv and ORT_DYLIB_PATH is not set: run scripts/install");
    let ocr = ocr::Recognizer::open(&onnxruntime, &models);
    let ocr = ocr.unwrap_or_else(|error| panic!("{error:?}: run scripts/stack up, which creates .local/ocr"));
    Options { pdfium_library: Some(pdfium()), ocr: Some(ocr), ..Options::default() }
}

/// The PDFium library that `scripts/install` installs, or that PDFIUM_LIBRARY names.
pub(crate) fn pdfium() -> PathBuf {
    let library = std::env::var_os("PDFIUM_LIBRARY").map(PathBuf::from);
    library
        .or_else(|| installed("site-packages/pypdfium2_raw/libpdfium.so"))
        .expect("no libpdfium.so under .venv and PDFIUM_LIBRARY is not set: run scripts/install")
}

fn checkout() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).expect("two folders above")
}

/// A file or folder of the virtual environment, whichever version of Python it has.
fn installed(path: &str) -> Option<PathBuf> {
    let versions = checkout().join(".venv/lib").read_dir().ok()?;
    versions.flatten().map(|version| version.path().join(path)).find(|found| found.exists())
}

/// Removes blank lines, whose number the reader of HTML decides.
pub(crate) fn without_blank_lines(text: &str) -> String {
    text.lines().filter(|line| !line.is_empty()).map(|line| format!("{line}\n")).collect()
}

/// Shows frames but for the end: marks in brackets, text as it is.
pub(crate) fn show(frames: &[Frame]) -> String {
    let mut shown = String::new();
    for frame in frames {
        shown += &match frame {
            Frame::Page { index, label } => format!("[page {index} {label}]\n"),
            Frame::Heading { level, text } => format!("[h{level} {text}]\n"),
            Frame::Text(text) => text.clone(),
            Frame::Row { is_header, cells } => {
                let kind = if *is_header { "header" } else { "row" };
                format!("[{kind} {}]\n", cells.join("|"))
            }
            Frame::AttachmentStart { name, media_type } => format!("[file {name} {media_type}]"),
            Frame::AttachmentData(bytes) => String::from_utf8_lossy(bytes).into_owned(),
            Frame::AttachmentEnd => "[/file]\n".to_owned(),
            Frame::Title(title) => format!("[title {title}]\n"),
            Frame::Language(tag) => format!("[language {tag}]\n"),
            Frame::Warning(warning) => format!("[warning {warning}]\n"),
            Frame::End(_) => String::new(),
            Frame::Failed(failure) => format!("[failed {}]\n", failure.reason),
        };
    }
    shown
}

/// Counts frames as the summary should.
fn summary_of(frames: &[Frame]) -> Summary {
    let mut summary = Summary::default();
    for frame in frames {
        match frame {
            Frame::Page { index, .. } => {
                // Text before the first mark is on a page, too.
                assert_eq!(*index, summary.pages.max((*index).min(1)), "pages are numbered in their order");
                summary.pages = index + 1;
            }
            Frame::Text(text) => summary.text_bytes += text.len() as u64,
            Frame::Row { cells, .. } => {
                let mut line = String::new();
                push_row_text(cells, &mut line);
                summary.rows += 1;
                summary.text_bytes += line.len() as u64;
            }
            Frame::AttachmentEnd => summary.attachments += 1,
            _ => {}
        }
    }
    summary
}

/// Creates a ZIP archive of parts.
pub(crate) fn zip(parts: &[(&str, &str)]) -> Vec<u8> {
    zip_with(parts, SimpleFileOptions::default())
}

/// Creates a ZIP archive of parts that are not compressed.
pub(crate) fn stored_zip(parts: &[(&str, &str)]) -> Vec<u8> {
    zip_with(parts, SimpleFileOptions::default().compression_method(zip::CompressionMethod::Stored))
}

fn zip_with(parts: &[(&str, &str)], options: SimpleFileOptions) -> Vec<u8> {
    let mut writer = zip::ZipWriter::new(Cursor::new(Vec::new()));
    for (path, content) in parts {
        writer.start_file(*path, options).unwrap();
        writer.write_all(content.as_bytes()).unwrap();
    }
    writer.finish().unwrap().into_inner()
}

/// The relationships of a part, as `(id, kind, target)`.
pub(crate) fn relationships(links: &[(&str, &str, &str)]) -> String {
    const PREFIX: &str = "http://schemas.openxmlformats.org/officeDocument/2006/relationships";
    let links: String = links
        .iter()
        .map(|(id, kind, target)| {
            format!(r#"<Relationship Id="{id}" Type="{PREFIX}/{kind}" Target="{target}"/>"#)
        })
        .collect();
    format!("<Relationships>{links}</Relationships>")
}

/// Checks that a parser ends without a panic on damaged variants of a valid file. The files of ZIP-based formats
/// should be stored without compression, so that the damage reaches their XML.
pub(crate) fn survives_damage(format: DocumentFormat, valid: &[u8]) {
    survives_damage_with(format, valid, &Options::default());
}

/// As [`survives_damage`], with these options.
pub(crate) fn survives_damage_with(format: DocumentFormat, valid: &[u8], options: &Options) {
    use proptest::prelude::*;
    use proptest::sample::Index;
    use proptest::test_runner::{Config, TestRunner};

    let changes = proptest::collection::vec((any::<Index>(), any::<u8>()), 1..6);
    let mut runner = TestRunner::new(Config { cases: 64, failure_persistence: None, ..Config::default() });
    let damaged = (changes, proptest::option::weighted(0.3, any::<Index>()));
    runner
        .run(&damaged, |(changes, cut)| {
            let mut bytes = valid.to_vec();
            for (index, value) in changes {
                let index = index.index(bytes.len());
                bytes[index] = value;
            }
            if let Some(cut) = cut {
                bytes.truncate(cut.index(bytes.len()));
            }
            if let Err(error) = frames_with(format, &bytes, options) {
                prop_assert!(matches!(error, ParseError::Document(_)), "{error:?}");
            }
            Ok(())
        })
        .unwrap();
}
