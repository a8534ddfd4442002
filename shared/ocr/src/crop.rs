//! Cuts a line out of a picture: turned level, and scaled to the height that a network wants.

use image::RgbImage;

use crate::rectangle::{Point, Rectangle};
use crate::runtime::{CHANNELS, Planes};

/// Samples per pixel of the cut and direction at most, where the picture has more pixels than the cut.
const MAX_SAMPLES: u32 = 4;

/// Cuts out the rectangle as a picture of this size, with values from -1 to 1, blue first. What is to the right of
/// `filled` columns stays 0.
pub(crate) fn cut(
    picture: &RgbImage,
    area: &Rectangle,
    width: usize,
    height: usize,
    filled: usize,
) -> Planes {
    let mut values = vec![0.0; CHANNELS * width * height];
    let per_pixel =
        |length: f32, pixels: usize| ((length / pixels.max(1) as f32).round() as u32).clamp(1, MAX_SAMPLES);
    let (columns, rows) = (per_pixel(area.width(), filled), per_pixel(area.height(), height));
    let weight = 1.0 / (columns * rows) as f32;
    for y in 0..height {
        for x in 0..filled.min(width) {
            let mut sum = [0.0; CHANNELS];
            for row in 0..rows {
                for column in 0..columns {
                    let along = (x as f32 + (column as f32 + 0.5) / columns as f32) / filled as f32;
                    let across = (y as f32 + (row as f32 + 0.5) / rows as f32) / height as f32;
                    let at = area.corner.plus(area.right.times(along)).plus(area.down.times(across));
                    let sample = sample(picture, at);
                    for (sum, value) in sum.iter_mut().zip(sample) {
                        *sum += value;
                    }
                }
            }
            for (channel, sum) in sum.into_iter().enumerate() {
                let plane = CHANNELS - 1 - channel;
                values[(plane * height + y) * width + x] = sum * weight / 127.5 - 1.0;
            }
        }
    }
    Planes { width, height, values }
}

/// The color at a point, between those of the four pixels around it. The border goes on outside of the picture.
fn sample(picture: &RgbImage, at: Point) -> [f32; CHANNELS] {
    let (x, y) = (at.x - 0.5, at.y - 0.5);
    let (left, top) = (x.floor(), y.floor());
    let (toward_right, toward_bottom) = (x - left, y - top);
    let inside = |value: f32, length: u32| value.clamp(0.0, (length - 1) as f32) as u32;
    let pixel = |x: f32, y: f32| picture.get_pixel(inside(x, picture.width()), inside(y, picture.height())).0;
    let (upper, lower) =
        ([pixel(left, top), pixel(left + 1.0, top)], [pixel(left, top + 1.0), pixel(left + 1.0, top + 1.0)]);
    std::array::from_fn(|channel| {
        let between = |row: &[[u8; CHANNELS]; 2]| {
            f32::from(row[0][channel]) * (1.0 - toward_right) + f32::from(row[1][channel]) * toward_right
        };
        between(&upper) * (1.0 - toward_bottom) + between(&lower) * toward_bottom
    })
}

#[cfg(test)]
mod tests {
    use image::Rgb;

    use super::*;

    fn rectangle(x: f32, y: f32, width: f32, height: f32) -> Rectangle {
        Rectangle { corner: Point::new(x, y), right: Point::new(width, 0.0), down: Point::new(0.0, height) }
    }

    /// Red grows to the right, green downwards.
    fn gradient() -> RgbImage {
        RgbImage::from_fn(16, 16, |x, y| Rgb([x as u8 * 10, y as u8 * 10, 0]))
    }

    fn color(planes: &Planes, x: usize, y: usize) -> [u8; 3] {
        std::array::from_fn(|channel| {
            let plane = 2 - channel;
            let value = planes.values[(plane * planes.height + y) * planes.width + x];
            ((value + 1.0) * 127.5).round() as u8
        })
    }

    #[test]
    fn cut_of_the_same_size_copies_the_pixels_and_leaves_the_rest_gray() {
        let cut = cut(&gradient(), &rectangle(2.0, 3.0, 4.0, 4.0), 6, 4, 4);
        assert_eq!(color(&cut, 0, 0), [20, 30, 0]);
        assert_eq!(color(&cut, 3, 2), [50, 50, 0]);
        assert_eq!(cut.values[4], 0.0);
    }

    #[test]
    fn cut_may_be_smaller_turned_and_beyond_the_border() {
        let half = cut(&gradient(), &rectangle(0.0, 0.0, 8.0, 8.0), 4, 4, 4);
        assert_eq!(color(&half, 1, 0), [25, 5, 0]);
        let downwards = cut(&gradient(), &rectangle(2.0, 3.0, 4.0, 8.0).read_downwards(), 8, 4, 8);
        assert_eq!(color(&downwards, 0, 0), [50, 30, 0]);
        let outside = cut(&gradient(), &rectangle(-100.0, -100.0, 50.0, 50.0), 2, 2, 2);
        assert_eq!(color(&outside, 1, 1), [0, 0, 0]);
    }
}
