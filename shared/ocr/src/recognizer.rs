//! From a picture to its text.

use std::path::Path;

use image::RgbImage;
use image::imageops::{FilterType, resize, rotate90, rotate180};

use crate::OcrError;
use crate::detection::find_lines;
use crate::margins::without_margins;
use crate::orientation::is_upside_down;
use crate::reading_order::{Line, join};
use crate::recognition::{Alphabet, Reading, read_line};
use crate::rectangle::Rectangle;
use crate::runtime::{Model, load};

/// The longest side of a picture that is looked at, in pixels: an A4 page with 340 dots per inch. Larger pictures are
/// reduced.
pub const MAX_SIDE: u32 = 4_000;

/// Lines whose orientation decides on that of the picture: the longest ones.
const PROBES: usize = 9;

/// Lines that are read both ways before a picture is turned upside down.
const PROOFS: usize = 3;

/// Reads pictures.
#[derive(Debug)]
pub struct Recognizer {
    detection: Model,
    orientation: Model,
    recognition: Model,
    alphabet: Alphabet,
}

impl Recognizer {
    /// Loads ONNX Runtime from `libonnxruntime.so`, and `detection.onnx`, `orientation.onnx` and `recognition.onnx` from
    /// a folder. No file is opened later.
    ///
    /// # Errors
    /// Returns `Runtime` if the library cannot be loaded, and `Unreadable` or `Model` for a file of a model.
    pub fn open(onnxruntime: &Path, models: &Path) -> Result<Self, OcrError> {
        let environment = load(onnxruntime)?;
        let open = |name: &str| Model::open(&environment, &models.join(name));
        let recognition = open("recognition.onnx")?;
        let Some(characters) = recognition.metadata("character") else {
            let path = models.join("recognition.onnx");
            return Err(OcrError::Model { path, reason: "it has no list of characters".to_owned() });
        };
        let alphabet = Alphabet::parse(&characters);
        Ok(Self {
            detection: open("detection.onnx")?,
            orientation: open("orientation.onnx")?,
            recognition,
            alphabet,
        })
    }

    /// Returns the text of a picture: one line of text per line, and an empty line between paragraphs. Empty if there is
    /// none.
    ///
    /// # Errors
    /// Returns `Inference` if a model fails, which is most likely for want of memory.
    pub fn read(&self, picture: RgbImage) -> Result<String, OcrError> {
        if picture.width() == 0 || picture.height() == 0 {
            return Ok(String::new());
        }
        let Some(picture) = without_margins(reduce(picture)) else { return Ok(String::new()) };
        let (picture, rectangles) = self.turn_upright(picture)?;
        let mut lines = Vec::with_capacity(rectangles.len());
        for area in rectangles {
            // Labels beside a diagram, and the like.
            let upright = if area.is_tall() { area.read_downwards() } else { area };
            let mut reading = self.read_line(&picture, &upright)?;
            if area.is_tall() {
                let other = self.read_line(&picture, &upright.upside_down())?;
                if other.probability > reading.probability {
                    reading = other;
                }
            }
            if reading.is_text() {
                lines.push(Line { area, text: reading.text });
            }
        }
        Ok(join(lines))
    }

    fn read_line(&self, picture: &RgbImage, line: &Rectangle) -> Result<Reading, OcrError> {
        read_line(&self.recognition, &self.alphabet, picture, line)
    }

    /// Turns the picture so that its lines are level and not upside down, and returns it with them.
    fn turn_upright(&self, picture: RgbImage) -> Result<(RgbImage, Vec<Rectangle>), OcrError> {
        let mut picture = picture;
        let mut lines = find_lines(&self.detection, &picture)?;
        let length = |lines: &[Rectangle], is_tall: bool| -> f32 {
            let of = lines.iter().filter(|line| line.is_tall() == is_tall);
            of.map(|line| line.width().max(line.height())).sum()
        };
        if length(&lines, true) > length(&lines, false) {
            picture = rotate90(&picture);
            lines = find_lines(&self.detection, &picture)?;
        }
        lines.sort_by(|one, other| other.width().total_cmp(&one.width()));
        let probes: Vec<&Rectangle> = lines.iter().filter(|line| !line.is_tall()).take(PROBES).collect();
        let mut upside_down = Vec::new();
        for line in &probes {
            if is_upside_down(&self.orientation, &picture, line)? {
                upside_down.push(**line);
            }
        }
        if 2 * upside_down.len() > probes.len() && self.reads_upside_down(&picture, &upside_down)? {
            picture = rotate180(&picture);
            lines = find_lines(&self.detection, &picture)?;
        }
        Ok((picture, lines))
    }

    /// Whether these lines read better upside down: the network of the orientation is small, and errs on short lines.
    fn reads_upside_down(&self, picture: &RgbImage, lines: &[Rectangle]) -> Result<bool, OcrError> {
        let mut difference = 0.0;
        for line in lines.iter().take(PROOFS) {
            difference += self.read_line(picture, &line.upside_down())?.probability;
            difference -= self.read_line(picture, line)?.probability;
        }
        Ok(difference > 0.0)
    }
}

/// Reduces a picture that is larger than [`MAX_SIDE`].
fn reduce(picture: RgbImage) -> RgbImage {
    let longest = picture.width().max(picture.height());
    if longest <= MAX_SIDE {
        return picture;
    }
    let side = |length: u32| (u64::from(length) * u64::from(MAX_SIDE) / u64::from(longest)).max(1) as u32;
    resize(&picture, side(picture.width()), side(picture.height()), FilterType::Triangle)
}
