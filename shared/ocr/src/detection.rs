//! Finds the lines of text in a picture.

use image::RgbImage;
use image::imageops::{FilterType, resize};

use crate::OcrError;
use crate::rectangle::{Point, Rectangle, smallest_around};
use crate::regions::{Bitmap, outlines};
use crate::runtime::{CHANNELS, Model, Planes};

/// The longest side of the picture that the network sees. With 1,280 small print is lost, with 2,000 a page takes a
/// second more.
const MAX_SIDE: u32 = 1_600;

/// The shortest side, as long as the longest one allows: smaller pictures are enlarged.
const MIN_SIDE: u32 = 736;

/// The network halves the picture five times.
const STEP: u32 = 32;

/// What the network calls text has at least this probability.
const PIXEL_THRESHOLD: f32 = 0.3;

/// The mean probability of a line.
const LINE_THRESHOLD: f32 = 0.5;

/// The network marks the core of a line. The line is larger by this share of area and circumference.
const GROWTH: f32 = 1.6;

/// The height of the smallest core, in pixels of the network's picture.
const MIN_CORE: f32 = 3.0;

/// Returns the lines of text, in pixels of the picture, in no particular order.
pub(crate) fn find_lines(model: &Model, picture: &RgbImage) -> Result<Vec<Rectangle>, OcrError> {
    let (width, height) = network_size(picture.width(), picture.height());
    let input = normalize(&resize(picture, width, height, FilterType::Triangle));
    let cores = model.run(input, |shape, probabilities| match shape {
        [1, 1, rows, columns] => cores(*columns, *rows, probabilities),
        _ => Vec::new(),
    })?;
    let (x, y) = (picture.width() as f32 / width as f32, picture.height() as f32 / height as f32);
    Ok(cores.into_iter().map(|core| grow(&core).scale(x, y)).filter(is_legible).collect())
}

/// Returns the size of the picture that the network sees.
fn network_size(width: u32, height: u32) -> (u32, u32) {
    let (short, long) = (width.min(height).max(1) as f32, width.max(height).max(1) as f32);
    let enlarged = (MIN_SIDE as f32 / short).max(1.0);
    let scale = enlarged.min(MAX_SIDE as f32 / long);
    let side = |length: u32| {
        let steps = (length as f32 * scale / STEP as f32).round() as u32;
        steps.clamp(1, MAX_SIDE / STEP) * STEP
    };
    (side(width), side(height))
}

/// Converts to values from -1 to 1, blue first.
pub(crate) fn normalize(picture: &RgbImage) -> Planes {
    let (width, height) = (picture.width() as usize, picture.height() as usize);
    let mut values = Vec::with_capacity(CHANNELS * width * height);
    for channel in (0..CHANNELS).rev() {
        values.extend(picture.pixels().map(|pixel| f32::from(pixel.0[channel]) / 127.5 - 1.0));
    }
    Planes { width, height, values }
}

/// Returns the rectangles around the regions that the network calls text.
fn cores(width: usize, height: usize, probabilities: &[f32]) -> Vec<Rectangle> {
    if probabilities.len() != width * height {
        return Vec::new();
    }
    let is_text = |x: usize, y: usize| probabilities[y * width + x] > PIXEL_THRESHOLD;
    let mut bits = Vec::with_capacity(probabilities.len());
    for y in 0..height {
        for x in 0..width {
            // Thicker by a pixel, which closes cracks between letters.
            let (left, above) = (x.saturating_sub(1), y.saturating_sub(1));
            bits.push(is_text(x, y) || is_text(left, y) || is_text(x, above) || is_text(left, above));
        }
    }
    let found = outlines(Bitmap { width, bits });
    let is_line = |core: &Rectangle| {
        core.width().min(core.height()) >= MIN_CORE
            && mean_inside(core, width, height, probabilities) >= LINE_THRESHOLD
    };
    found.iter().filter_map(|outline| smallest_around(outline)).filter(is_line).collect()
}

/// The mean probability of the pixels inside.
fn mean_inside(rectangle: &Rectangle, width: usize, height: usize, probabilities: &[f32]) -> f32 {
    let (least, most) = rectangle.bounds();
    let range = |from: f32, to: f32, length: usize| {
        (from.floor().max(0.0) as usize)..(to.ceil().max(0.0) as usize + 1).min(length)
    };
    let (mut sum, mut count) = (0.0, 0_u32);
    for y in range(least.y, most.y, height) {
        for x in range(least.x, most.x, width) {
            if rectangle.contains(Point::new(x as f32, y as f32)) {
                sum += probabilities[y * width + x];
                count += 1;
            }
        }
    }
    if count == 0 { 0.0 } else { sum / count as f32 }
}

fn grow(core: &Rectangle) -> Rectangle {
    let (width, height) = (core.width(), core.height());
    core.grow(width * height * GROWTH / (2.0 * (width + height)))
}

/// Whether there are enough pixels for a letter.
fn is_legible(line: &Rectangle) -> bool {
    line.width() > 3.0 && line.height() > 3.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn size_is_bounded_and_keeps_the_proportions() {
        assert_eq!(network_size(1654, 2339), (1120, 1600));
        assert_eq!(network_size(1000, 1000), (992, 992));
        assert_eq!(network_size(400, 200), (1472, 736));
        assert_eq!(network_size(4000, 40), (1600, 32));
        assert_eq!(network_size(1, 1), (736, 736));
        assert_eq!(network_size(1, 100_000), (32, 1600));
    }

    #[test]
    fn lines_are_where_the_probabilities_are_high() {
        let (width, height) = (64, 40);
        let mut probabilities = vec![0.0; width * height];
        for y in 10..16 {
            for x in 8..48 {
                probabilities[y * width + x] = 0.9;
            }
        }
        // Faint, and too small.
        probabilities[30 * width..30 * width + 20].fill(0.4);
        probabilities[35 * width + 60] = 1.0;
        let found = cores(width, height, &probabilities);
        assert_eq!(found.len(), 1, "{found:?}");
        assert_eq!(
            (found[0].corner, found[0].width(), found[0].height()),
            (Point::new(8.0, 10.0), 40.0, 6.0)
        );
        let line = grow(&found[0]);
        assert!((line.height() - 14.3).abs() < 0.1, "{line:?}");
        assert!(cores(width, height, &probabilities[1..]).is_empty());
    }
}
