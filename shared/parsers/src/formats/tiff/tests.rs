use std::io::Cursor;

use frames::DocumentFormat::Tiff;
use image::{DynamicImage, RgbImage};

use crate::formats::pdf::tests::{lines, picture_of};
use crate::testing::{frames_with, ocr_options, show, survives_damage_with};

/// A page in black and white, one bit per pixel.
fn page(text: &str) -> Vec<u8> {
    let picture = DynamicImage::from(picture_of(&lines(&[(72, 700, text)]))).into_luma8();
    let pack = |row: &[u8]| -> Vec<u8> {
        let byte = |pixels: &[u8]| {
            pixels.iter().enumerate().fold(0, |byte, (at, value)| byte | u8::from(*value > 127) << (7 - at))
        };
        row.chunks(8).map(byte).collect()
    };
    picture.chunks(picture.width() as usize).flat_map(pack).collect()
}

/// A TIFF file of such pages, each with the width and height of a rendered page.
fn tiff(is_big_endian: bool, pages: &[Vec<u8>]) -> Vec<u8> {
    let blank = picture_of("");
    let short = |value: u16| if is_big_endian { value.to_be_bytes() } else { value.to_le_bytes() };
    let long = |value: usize| {
        let value = u32::try_from(value).unwrap();
        if is_big_endian { value.to_be_bytes() } else { value.to_le_bytes() }
    };
    let mut file = [if is_big_endian { &b"MM"[..] } else { b"II" }, &short(42)].concat();
    for page in pages {
        let strip = file.len() + 4;
        file.extend(long(strip + page.len()));
        file.extend(page);
        let entries: [(u16, usize); 7] = [
            (256, blank.width() as usize),
            (257, blank.height() as usize),
            (258, 1),
            (262, 1),
            (273, strip),
            (278, blank.height() as usize),
            (279, page.len()),
        ];
        file.extend(short(entries.len() as u16));
        for (tag, value) in entries {
            file.extend([&short(tag)[..], &short(4), &long(1), &long(value)].concat());
        }
    }
    file.extend(long(0));
    file
}

#[test]
fn every_page_is_read() {
    let pages = [page("The first page"), page("and the second one")];
    let options = ocr_options();
    for is_big_endian in [true, false] {
        let frames = frames_with(Tiff, &tiff(is_big_endian, &pages), &options).unwrap();
        assert_eq!(show(&frames), "[page 0 ]\nThe first page\n[page 1 ]\nand the second one\n");
    }
}

#[test]
fn damaged_page_is_left_out_and_the_only_one_fails() {
    let options = ocr_options();
    let whole = tiff(false, &[page("The first page"), page("and the second one")]);
    let width = whole.windows(4).rposition(|bytes| bytes == [0, 1, 4, 0]).unwrap();
    let mut damaged = whole.clone();
    // The width of the second page is 0 now.
    damaged[width + 8..width + 12].fill(0);
    assert_eq!(
        show(&frames_with(Tiff, &damaged, &options).unwrap()),
        "[page 0 ]\nThe first page\n[page 1 ]\n[warning 1 part is damaged and left out]\n"
    );
    let error = frames_with(Tiff, &whole[..whole.len() / 4], &options).unwrap_err().to_string();
    assert!(
        error.starts_with("the file is an image, and") || error.starts_with("the TIFF image is damaged: "),
        "{error}"
    );
    let error = frames_with(Tiff, b"II*\0", &options).unwrap_err().to_string();
    assert!(error.starts_with("the TIFF image is damaged: "), "{error}");
}

#[test]
fn chain_of_pages_in_a_circle_ends() {
    let mut file = tiff(false, &[page("The only page")]);
    let first = file[4..8].to_vec();
    let last = file.len() - 4;
    file[last..].copy_from_slice(&first);
    assert_eq!(show(&frames_with(Tiff, &file, &ocr_options()).unwrap()), "[page 0 ]\nThe only page\n");
}

#[test]
fn damaged_images_do_not_panic() {
    let mut bytes = Cursor::new(Vec::new());
    let small = RgbImage::from_fn(40, 30, |x, y| image::Rgb([x as u8, y as u8, 9]));
    DynamicImage::from(small).write_to(&mut bytes, image::ImageFormat::Tiff).unwrap();
    survives_damage_with(Tiff, &bytes.into_inner(), &ocr_options());
}
