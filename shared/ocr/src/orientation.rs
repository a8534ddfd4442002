//! Whether a line of text is upside down.

use image::RgbImage;

use crate::OcrError;
use crate::crop::cut;
use crate::rectangle::Rectangle;
use crate::runtime::Model;

const WIDTH: usize = 192;
const HEIGHT: usize = 48;

/// The probability from which the network is believed.
const THRESHOLD: f32 = 0.9;

/// Returns whether the line is surely upside down.
pub(crate) fn is_upside_down(model: &Model, picture: &RgbImage, line: &Rectangle) -> Result<bool, OcrError> {
    let filled = (HEIGHT as f32 * line.width() / line.height()).ceil() as usize;
    let input = cut(picture, line, WIDTH, HEIGHT, filled.clamp(1, WIDTH));
    model.run(input, |_, probabilities| matches!(probabilities, [_, upside_down] if *upside_down > THRESHOLD))
}
