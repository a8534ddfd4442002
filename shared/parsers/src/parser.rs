//! What a format registers.

use crate::output::Output;
use crate::{Input, Options, ParseError};

/// A parser.
pub(crate) struct Parser {
    pub(crate) parse: fn(&mut dyn Input, &Options, &mut Output<'_>) -> Result<(), ParseError>,
    /// The reason for a document with neither text nor attachments.
    pub(crate) no_text: &'static str,
}
