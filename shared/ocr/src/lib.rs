//! The text of a picture, with the PP-OCR models and ONNX Runtime.
//!
//! [`Recognizer::read`] removes the empty margins of a picture, finds its lines (a segmentation network, whose regions
//! become rotated rectangles), turns the picture upright if they are not, reads each line (a network that yields the
//! probabilities of characters over the width of the line), and joins the lines in reading order.
//!
//! The models read Latin, Greek, Chinese and Japanese script, not Cyrillic, Arabic, Hebrew, Korean or Indic ones.
//!
//! Pictures are untrusted: run this in the child process that parses documents. What it needs of memory and time is
//! bounded by [`MAX_SIDE`] and by the number of lines of a picture, whatever the picture shows.

mod crop;
mod detection;
mod error;
mod margins;
mod orientation;
mod reading_order;
mod recognition;
mod recognizer;
mod rectangle;
mod regions;
mod runtime;

pub use error::OcrError;
pub use recognizer::{MAX_SIDE, Recognizer};
