//! Reads a line of text.

use image::RgbImage;

use crate::OcrError;
use crate::crop::cut;
use crate::rectangle::Rectangle;
use crate::runtime::Model;

const HEIGHT: usize = 48;

/// Narrower lines are filled up, as in training.
const MIN_WIDTH: usize = 320;

/// Longer lines are compressed: a line of 200 letters.
const MAX_WIDTH: usize = 3_200;

/// The mean probability of the characters of a line that counts.
const THRESHOLD: f32 = 0.5;

/// What was read of a line.
#[derive(Debug, Default)]
pub(crate) struct Reading {
    pub(crate) text: String,
    /// The mean probability of the characters, 0 without one.
    pub(crate) probability: f32,
}

impl Reading {
    /// Whether it is most likely text.
    pub(crate) fn is_text(&self) -> bool {
        self.probability >= THRESHOLD && !self.text.is_empty()
    }
}

/// The characters that a recognition model can read, by their classes.
#[derive(Debug)]
pub(crate) struct Alphabet(Vec<String>);

impl Alphabet {
    /// Parses a model's list, one per line.
    pub(crate) fn parse(list: &str) -> Self {
        // The class 0 is no character; the last one is the space, which the list lacks.
        let characters = list.split('\n').map(str::to_owned);
        Self(std::iter::once(String::new()).chain(characters).chain([" ".to_owned()]).collect())
    }

    /// Joins the most likely characters of the columns of a line, each with the probabilities of all classes: the same
    /// class in columns side by side is one character. Returns the text and the mean probability of its characters.
    fn decode(&self, classes: usize, probabilities: &[f32]) -> (String, f32) {
        let (mut text, mut sum, mut count) = (String::new(), 0.0, 0_u32);
        let mut before = 0;
        for column in probabilities.chunks_exact(classes.max(1)) {
            let mut best = (0, f32::MIN);
            for (class, probability) in column.iter().enumerate() {
                if *probability > best.1 {
                    best = (class, *probability);
                }
            }
            let (class, probability) = best;
            if class != 0 && class != before {
                text.push_str(self.0.get(class).map_or("", String::as_str));
                sum += probability;
                count += 1;
            }
            before = class;
        }
        (text, if count == 0 { 0.0 } else { sum / count as f32 })
    }
}

/// Reads a line.
pub(crate) fn read_line(
    model: &Model,
    alphabet: &Alphabet,
    picture: &RgbImage,
    line: &Rectangle,
) -> Result<Reading, OcrError> {
    let filled = (HEIGHT as f32 * line.width() / line.height()).ceil() as usize;
    let filled = filled.clamp(1, MAX_WIDTH);
    let input = cut(picture, line, filled.max(MIN_WIDTH), HEIGHT, filled);
    let (text, probability) = model.run(input, |shape, probabilities| match shape {
        [1, _, classes] => alphabet.decode(*classes, probabilities),
        _ => (String::new(), 0.0),
    })?;
    Ok(Reading { text: text.trim().to_owned(), probability })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn repeated_classes_are_one_character_unless_a_gap_is_between() {
        let alphabet = Alphabet::parse("a\nb");
        let column = |class: usize| {
            let mut column = [0.1; 4];
            column[class] = 0.9;
            column
        };
        let columns: Vec<f32> = [0, 1, 1, 0, 1, 3, 2, 2, 0].into_iter().flat_map(column).collect();
        let (text, probability) = alphabet.decode(4, &columns);
        assert_eq!(text, "aa b");
        assert!((probability - 0.9).abs() < 0.001);
        assert_eq!(alphabet.decode(4, &[]), (String::new(), 0.0));
        assert_eq!(alphabet.decode(0, &columns).0, "");
    }
}
