//! Removes the empty margins of a picture.
//!
//! The network that finds text misses a short line on an otherwise empty page, and what it does not see costs no time.

use image::imageops::crop_imm;
use image::{Rgb, RgbImage};

/// The margin that stays, in pixels.
const MARGIN: u32 = 64;

/// The difference of brightness between writing and paper.
const CONTRAST: u8 = 40;

/// Returns the part of the picture that shows something, with a small margin. `None` if all of it has the color of its
/// border.
pub(crate) fn without_margins(picture: RgbImage) -> Option<RgbImage> {
    let paper = border_brightness(&picture);
    let is_writing = |pixel: &Rgb<u8>| brightness(pixel).abs_diff(paper) > CONTRAST;
    let (mut left, mut right, mut top, mut bottom) = (u32::MAX, 0, u32::MAX, 0);
    for (y, row) in (0_u32..).zip(picture.rows()) {
        let mut written = (0_u32..).zip(row).filter(|(_, pixel)| is_writing(pixel)).map(|(x, _)| x);
        let Some(first) = written.next() else { continue };
        left = left.min(first);
        right = right.max(written.last().unwrap_or(first));
        top = top.min(y);
        bottom = y;
    }
    if top > bottom {
        return None;
    }
    let (left, top) = (left.saturating_sub(MARGIN), top.saturating_sub(MARGIN));
    let (right, bottom) =
        ((right + MARGIN).min(picture.width() - 1), (bottom + MARGIN).min(picture.height() - 1));
    if (left, top) == (0, 0) && (right, bottom) == (picture.width() - 1, picture.height() - 1) {
        return Some(picture);
    }
    Some(crop_imm(&picture, left, top, right - left + 1, bottom - top + 1).to_image())
}

/// The mean brightness of the outermost pixels.
fn border_brightness(picture: &RgbImage) -> u8 {
    let (width, height) = picture.dimensions();
    let rows = [0, height - 1].into_iter().flat_map(|y| (0..width).map(move |x| (x, y)));
    let columns = [0, width - 1].into_iter().flat_map(|x| (0..height).map(move |y| (x, y)));
    let sum: u64 = rows.chain(columns).map(|(x, y)| u64::from(brightness(picture.get_pixel(x, y)))).sum();
    (sum / (2 * (u64::from(width) + u64::from(height)))) as u8
}

fn brightness(pixel: &Rgb<u8>) -> u8 {
    let [red, green, blue] = pixel.0.map(u32::from);
    ((3 * red + 6 * green + blue) / 10) as u8
}

#[cfg(test)]
mod tests {
    use super::*;

    fn paper(width: u32, height: u32, written: &[(u32, u32)]) -> RgbImage {
        let mut picture = RgbImage::from_pixel(width, height, Rgb([250, 250, 240]));
        written.iter().for_each(|(x, y)| picture.put_pixel(*x, *y, Rgb([20, 20, 60])));
        picture
    }

    #[test]
    fn writing_keeps_a_small_margin() {
        let trimmed = without_margins(paper(1000, 800, &[(300, 400), (500, 410)])).unwrap();
        assert_eq!(trimmed.dimensions(), (201 + 2 * MARGIN, 11 + 2 * MARGIN));
        assert_eq!(trimmed.get_pixel(MARGIN, MARGIN).0, [20, 20, 60]);
        let at_the_border = without_margins(paper(1000, 800, &[(0, 0), (999, 5)])).unwrap();
        assert_eq!(at_the_border.dimensions(), (1000, 6 + MARGIN));
        let whole = paper(100, 100, &[(50, 50)]);
        assert_eq!(without_margins(whole.clone()), Some(whole));
    }

    #[test]
    fn blank_picture_has_nothing() {
        assert_eq!(without_margins(paper(1000, 1, &[])), None);
        assert_eq!(without_margins(RgbImage::from_fn(9, 9, |x, _| Rgb([x as u8; 3]))), None);
    }
}
