//! What the formats of archives share.

use std::io::Read;

use crate::limits::MAX_DEPTH;
use crate::output::Output;
use crate::{Options, ParseError};

/// Refuses archives in archives in archives.
pub(super) fn check_depth(options: &Options) -> Result<(), ParseError> {
    let depth = options.file_name.matches("!/").count();
    if depth >= MAX_DEPTH {
        let limit = MAX_DEPTH - 1;
        let reason = format!("the archive is inside {depth} others; at most {limit} are allowed");
        return Err(ParseError::too_large(reason));
    }
    Ok(())
}

/// Appends a member as a file, unless it is one that the packing system has added.
pub(super) fn append_member(
    name: &str,
    content: &mut dyn Read,
    output: &mut Output<'_>,
) -> Result<(), ParseError> {
    let file_name = name.rsplit(['/', '\\']).next().unwrap_or(name);
    let is_added = name.starts_with("__MACOSX/")
        || file_name.starts_with("._")
        || matches!(file_name, ".DS_Store" | "Thumbs.db" | "desktop.ini");
    if is_added { Ok(()) } else { output.attachment(name, "", content) }
}
