//! The real models on a picture of a note. They need ONNX Runtime, which `scripts/install` installs, or ORT_DYLIB_PATH
//! names, and the models, which `scripts/stack up` and `scripts/test` put into .local/ocr.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail the test, as tests do")]

use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use image::imageops::{FilterType, resize, rotate90, rotate180, rotate270};
use image::{Rgb, RgbImage};
use ocr::{MAX_SIDE, Recognizer};

static RECOGNIZER: LazyLock<Recognizer> =
    LazyLock::new(|| Recognizer::open(&onnxruntime(), &checkout().join(".local/ocr")).unwrap());

fn checkout() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).unwrap()
}

fn onnxruntime() -> PathBuf {
    if let Some(library) = std::env::var_os("ORT_DYLIB_PATH") {
        return library.into();
    }
    let versions = std::fs::read_dir(checkout().join(".venv/lib")).into_iter().flatten().flatten();
    let folders = versions.map(|version| version.path().join("site-packages/onnxruntime/capi"));
    let mut files = folders.flat_map(|folder| std::fs::read_dir(folder).into_iter().flatten().flatten());
    let library = files.find(|file| file.file_name().to_string_lossy().starts_with("libonnxruntime.so"));
    library.expect("no libonnxruntime.so under .venv: run scripts/install").path()
}

fn note() -> RgbImage {
    image::open(checkout().join("tests/fixtures/ocr/note.png")).unwrap().into_rgb8()
}

const TEXT: &str = "The ferry to the lighthouse leaves\nat half past six in the morning.\n";

#[test]
fn note_is_read_however_it_lies() {
    let note = note();
    for (turn, picture) in
        [(0, note.clone()), (90, rotate90(&note)), (180, rotate180(&note)), (270, rotate270(&note))]
    {
        assert_eq!(RECOGNIZER.read(picture).unwrap(), TEXT, "turned by {turn}");
    }
}

#[test]
fn large_and_dark_pictures_are_read() {
    let note = note();
    let side = MAX_SIDE + 1_000;
    let large = resize(&note, side, side * note.height() / note.width(), FilterType::Triangle);
    assert_eq!(RECOGNIZER.read(large).unwrap(), TEXT);
    let mut dark = note;
    image::imageops::invert(&mut dark);
    assert_eq!(RECOGNIZER.read(dark).unwrap(), TEXT);
}

#[test]
fn pictures_without_text_have_none() {
    for (width, height) in [(0, 0), (1, 1), (1, 4_000), (4_000, 1), (300, 200)] {
        let blank = RgbImage::from_pixel(width, height, Rgb([240, 240, 230]));
        assert_eq!(RECOGNIZER.read(blank).unwrap(), "", "{width} x {height}");
    }
    let noise = RgbImage::from_fn(600, 400, |x, y| Rgb([((x * 7919 + y * 104_729) % 251) as u8; 3]));
    let text = RECOGNIZER.read(noise).unwrap();
    assert!(text.len() < 20, "{text}");
}

#[test]
fn missing_files_are_named() {
    let error = Recognizer::open(&onnxruntime(), Path::new("/no/such/folder")).unwrap_err();
    assert_eq!(error.to_string(), "the OCR model /no/such/folder/recognition.onnx cannot be read");
}
