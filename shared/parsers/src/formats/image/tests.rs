use std::io::Cursor;

use frames::DocumentFormat::{Jpeg, Png, Webp};
use image::codecs::webp::WebPEncoder;
use image::{ExtendedColorType, GrayImage, ImageBuffer, Rgb, Rgba, RgbaImage};

use super::*;
use crate::formats::pdf::tests::{lines, picture_of};
use crate::testing::{frames_of, frames_with, ocr_options, show, survives_damage_with};

fn note() -> RgbImage {
    picture_of(&lines(&[(72, 700, "The lighthouse needs paint"), (72, 680, "before October.")]))
}

const TEXT: &str = "The lighthouse needs paint\nbefore October.\n";

fn encoded(picture: impl Into<DynamicImage>, format: ImageFormat) -> Vec<u8> {
    let mut bytes = Cursor::new(Vec::new());
    picture.into().write_to(&mut bytes, format).unwrap();
    bytes.into_inner()
}

/// The reason why an image is not read.
fn reason(bytes: &[u8], options: &Options) -> String {
    frames_with(Png, bytes, options).unwrap_err().to_string()
}

#[test]
fn pictures_are_read_whatever_their_format_and_colors() {
    let options = ocr_options();
    let note = note();
    let wide: ImageBuffer<Rgb<u16>, Vec<u16>> = DynamicImage::from(note.clone()).into_rgb16();
    let gray: GrayImage = DynamicImage::from(note.clone()).into_luma8();
    // Black writing on nothing, whose color is black as well.
    let transparent = RgbaImage::from_fn(note.width(), note.height(), |x, y| {
        Rgba([0, 0, 0, 255 - note.get_pixel(x, y).0[0]])
    });
    for (format, bytes) in [
        (Png, encoded(note.clone(), ImageFormat::Png)),
        (Png, encoded(wide, ImageFormat::Png)),
        (Png, encoded(transparent, ImageFormat::Png)),
        (Jpeg, encoded(gray, ImageFormat::Jpeg)),
        (Webp, encoded(note.clone(), ImageFormat::WebP)),
        // The bytes decide.
        (Png, encoded(note.clone(), ImageFormat::Jpeg)),
    ] {
        let frames =
            frames_with(format, &bytes, &options).unwrap_or_else(|error| panic!("{format:?}: {error}"));
        assert_eq!(show(&frames), TEXT, "{format:?}");
    }
}

#[test]
fn photo_is_turned_as_its_metadata_says() {
    use image::ImageEncoder;
    let turned = image::imageops::rotate270(&note());
    // Orientation 6: to be turned by 90 degrees clockwise.
    let exif = b"MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x06\0\0\0\0\0\0".to_vec();
    let mut bytes = Vec::new();
    let mut encoder = image::codecs::jpeg::JpegEncoder::new(&mut bytes);
    encoder.set_exif_metadata(exif).unwrap();
    encoder.write_image(&turned, turned.width(), turned.height(), ExtendedColorType::Rgb8).unwrap();
    let upright = decode("the image", Cursor::new(&bytes), ImageFormat::Jpeg).unwrap();
    assert_eq!((upright.width(), upright.height()), (turned.height(), turned.width()));
    assert_eq!(show(&frames_with(Jpeg, &bytes, &ocr_options()).unwrap()), TEXT);
}

#[test]
fn only_the_first_image_of_an_animation_is_read() {
    let note = note();
    let mut still = Vec::new();
    WebPEncoder::new_lossless(&mut still)
        .encode(&note, note.width(), note.height(), ExtendedColorType::Rgb8)
        .unwrap();
    // Of the chunk VP8L behind the header of 12 bytes, and a blank image of the same size.
    let blank = RgbImage::from_pixel(note.width(), note.height(), Rgb([255; 3]));
    let mut other = Vec::new();
    WebPEncoder::new_lossless(&mut other)
        .encode(&blank, note.width(), note.height(), ExtendedColorType::Rgb8)
        .unwrap();
    let number = |value: u32| value.to_le_bytes()[..3].to_vec();
    let chunk = |name: &[u8], content: Vec<u8>| {
        let mut chunk = [name, &u32::try_from(content.len()).unwrap().to_le_bytes(), &content].concat();
        chunk.resize(chunk.len().next_multiple_of(2), 0);
        chunk
    };
    let size = [number(note.width() - 1), number(note.height() - 1)].concat();
    let frame = |still: &[u8]| {
        chunk(
            b"ANMF",
            [number(0), number(0), size.clone(), number(100), vec![0], still[12..].to_vec()].concat(),
        )
    };
    let body = [
        chunk(b"VP8X", [vec![2, 0, 0, 0], size.clone()].concat()),
        chunk(b"ANIM", vec![255, 255, 255, 255, 0, 0]),
        frame(&still),
        frame(&other),
    ]
    .concat();
    let animation =
        [&b"RIFF"[..], &u32::try_from(body.len() + 4).unwrap().to_le_bytes(), b"WEBP", &body].concat();
    assert_eq!(show(&frames_with(Webp, &animation, &ocr_options()).unwrap()), TEXT);
}

#[test]
fn image_without_ocr_and_one_without_text_have_a_reason() {
    let blank = encoded(RgbImage::from_pixel(200, 100, Rgb([255; 3])), ImageFormat::Png);
    assert_eq!(
        frames_of(Png, &blank).unwrap_err().to_string(),
        "the file is an image, and OCR is off; set \"ocr\" to true in a reindex of the collection"
    );
    let options = ocr_options();
    for (width, height) in [(200, 100), (1, 1), (1, 3000), (3000, 1)] {
        let blank = encoded(RgbImage::from_pixel(width, height, Rgb([255; 3])), ImageFormat::Png);
        assert_eq!(
            reason(&blank, &options),
            "the file is an image, and OCR finds no text",
            "{width} x {height}"
        );
    }
}

/// A PNG image of this size whose only row is missing.
fn png_header(width: u32, height: u32) -> Vec<u8> {
    let content = [&b"IHDR"[..], &width.to_be_bytes(), &height.to_be_bytes(), &[8, 2, 0, 0, 0]].concat();
    let checksum = content.iter().fold(u32::MAX, |sum, byte| {
        (0..8).fold(
            sum ^ u32::from(*byte),
            |sum, _| if sum & 1 == 1 { sum >> 1 ^ 0xEDB8_8320 } else { sum >> 1 },
        )
    });
    [
        &b"\x89PNG\r\n\x1A\n"[..],
        &13_u32.to_be_bytes(),
        &content,
        &(!checksum).to_be_bytes(),
        &[0, 0, 0, 0],
        b"IDAT",
    ]
    .concat()
}

#[test]
fn hostile_images_fail_with_a_reason() {
    let options = ocr_options();
    let most = "the image is too large; at most 80 million pixels and 65535 for a side allowed";
    assert_eq!(reason(&png_header(50_000, 50_000), &options), format!("{most}, got 50000 x 50000"));
    assert!(reason(&png_header(70_000, 1), &options).starts_with(most));
    assert!(reason(&png_header(u32::MAX >> 1, u32::MAX >> 1), &options).starts_with("the image is "));
    let damaged = "the image is damaged: ";
    assert!(reason(&png_header(0, 10), &options).starts_with(damaged));
    assert!(reason(b"RIFF\0\0\0\0WEBPVP8 ", &options).starts_with(damaged));
    assert!(reason(b"", &options).starts_with(damaged));
    let whole = encoded(note(), ImageFormat::Jpeg);
    assert!(reason(&whole[..100], &options).starts_with(damaged));
    let whole = encoded(note(), ImageFormat::Png);
    assert!(reason(&whole[..whole.len() / 2], &options).starts_with(damaged));
}

#[test]
fn damaged_images_do_not_panic() {
    let options = ocr_options();
    let small = RgbImage::from_fn(40, 30, |x, y| Rgb([x as u8, y as u8, 9]));
    for (format, image_format) in
        [(Png, ImageFormat::Png), (Jpeg, ImageFormat::Jpeg), (Webp, ImageFormat::WebP)]
    {
        survives_damage_with(format, &encoded(small.clone(), image_format), &options);
    }
}
