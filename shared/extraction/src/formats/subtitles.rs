//! Subtitles: SubRip (SRT) and WebVTT. The spoken text, without numbers, times and markup.

use domain::Layout;

use crate::text::{Rewrite, TextReader};
use crate::{EmptyReason, Format};

const NAME: &str = "subtitles";

/// Longer lines are read in parts.
const MAX_LINE_BYTES: usize = 16 * 1024;

pub(super) static FORMAT: Format = Format {
    name: NAME,
    layout: Layout::Prose,
    has_headings: false,
    signatures: &[],
    extensions: &["srt", "vtt"],
    file_names: &[],
    media_types: &["text/vtt", "application/x-subrip"],
    is_start_of: |head| head.starts_with(b"WEBVTT"),
    empty_reason: EmptyReason::OnlyWhiteSpace,
    open: |content_type| Box::new(TextReader::rewritten(NAME, content_type, Subtitles::default())),
};

/// Rewrites subtitles.
#[derive(Debug, Default)]
struct Subtitles {
    /// A line that is not complete.
    line: String,
    is_after_return: bool,
    block: Block,
    /// The first line of a block: the name of a cue, if a time follows.
    name: Option<String>,
    last_written: String,
}

/// The lines up to the next blank one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Block {
    #[default]
    Start,
    /// The spoken text.
    Cue,
    /// A header, comment or style sheet.
    Skipped,
}

impl Subtitles {
    fn end_line(&mut self, out: &mut String) {
        let line = std::mem::take(&mut self.line);
        let line_text = line.trim();
        let is_time = line_text.contains("-->");
        if line_text.is_empty() {
            self.end_block(out);
        } else if is_time && self.block != Block::Skipped {
            self.name = None;
            self.block = Block::Cue;
        } else if self.block == Block::Start && is_skipped(line_text) {
            self.block = Block::Skipped;
        } else if self.block == Block::Start && self.name.is_none() {
            self.name = Some(line_text.to_owned());
        } else if self.block != Block::Skipped {
            // No time follows the first line: it is text.
            self.block = Block::Cue;
            if let Some(name) = self.name.take() {
                self.write(&name, out);
            }
            self.write(line_text, out);
        }
        self.line = line;
        self.line.clear();
    }

    fn end_block(&mut self, out: &mut String) {
        if let Some(name) = self.name.take()
            && !name.bytes().all(|byte| byte.is_ascii_digit())
        {
            self.write(&name, out);
        }
        self.block = Block::Start;
    }

    fn write(&mut self, line: &str, out: &mut String) {
        let text = without_markup(line);
        let text = htmlize::unescape(text.trim());
        // Captions that scroll repeat the line before.
        if !text.trim().is_empty() && self.last_written != text {
            out.push_str(text.trim());
            out.push('\n');
            self.last_written = text.into_owned();
        }
    }
}

impl Rewrite for Subtitles {
    fn push(&mut self, text: &str, out: &mut String) {
        for part in text.split_inclusive(['\n', '\r']) {
            let content = part.trim_end_matches(['\n', '\r']);
            let is_line_feed = content.is_empty() && part == "\n";
            if std::mem::take(&mut self.is_after_return) && is_line_feed {
                // The second half of a line break.
                continue;
            }
            for character in content.chars() {
                self.line.push(character);
                if self.line.len() >= MAX_LINE_BYTES {
                    self.end_line(out);
                }
            }
            if content.len() < part.len() {
                self.is_after_return = part.ends_with('\r');
                self.end_line(out);
            }
        }
    }

    fn finish(&mut self, out: &mut String) -> u64 {
        self.end_line(out);
        self.end_block(out);
        0
    }

    #[cfg(test)]
    fn buffered_bytes(&self) -> usize {
        let name = self.name.as_ref().map_or(0, String::capacity);
        self.line.capacity() + name + self.last_written.capacity()
    }
}

/// Whether a block that begins with this line has no spoken text.
fn is_skipped(line: &str) -> bool {
    ["WEBVTT", "NOTE", "STYLE", "REGION"].iter().any(|keyword| {
        line.strip_prefix(keyword).is_some_and(|rest| rest.is_empty() || rest.starts_with([' ', '\t']))
    })
}

/// Removes tags such as `<i>` and `{\an8}`. The speaker of `<v Name>` stays.
fn without_markup(line: &str) -> String {
    let mut text = String::new();
    let mut rest = line;
    while let Some(start) = rest.find(['<', '{']) {
        let (before, tag) = rest.split_at(start);
        text.push_str(before);
        let is_position = tag.starts_with("{\\");
        let close = if is_position { '}' } else { '>' };
        let is_tag =
            is_position || tag[1..].starts_with(|first: char| first.is_ascii_alphanumeric() || first == '/');
        let Some(end) = tag.find(close).filter(|_| is_tag) else {
            text.push_str(&tag[..1]);
            rest = &tag[1..];
            continue;
        };
        let speaker = tag[..end].strip_prefix("<v").and_then(|voice| voice.split_once(char::is_whitespace));
        if let Some((_, name)) = speaker {
            text.push_str(name.trim());
            text.push_str(": ");
        }
        rest = &tag[end + 1..];
    }
    text.push_str(rest);
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::formats::testing::extract;

    #[test]
    fn spoken_text_of_subrip_is_read() {
        let srt = "1\r\n00:00:01,000 --> 00:00:02,000\r\n<i>The boat</i> leaves\r\nat six.\r\n\r\n\
            2\r\n00:00:03,000 --> 00:00:04,000\r\n{\\an8}<font color=\"red\">Really?</font>\r\n\r\n\
            3\r\n00:00:05,000 --> 00:00:06,000\r\n1984\r\n5 < 6 {x}";
        assert_eq!(extract("a.srt", srt), "The boat leaves\nat six.\nReally?\n1984\n5 < 6 {x}\n");
    }

    #[test]
    fn spoken_text_of_webvtt_is_read() {
        let vtt = "WEBVTT - A title\nKind: captions\n\nNOTE hidden\nhidden --> too\n\nSTYLE\n::cue { color: red }\n\n\
            intro\n00:01.000 --> 00:02.000 align:start\n<v.loud Ada Byron>Wait &amp; see</v>\n\n\
            00:02.000 --> 00:03.000\nWait &amp; see\n<00:02.500><c>next</c> line\n";
        assert_eq!(extract("a.vtt", vtt), "Ada Byron: Wait & see\nWait & see\nnext line\n");
        assert_eq!(Format::detect("x", None, b"WEBVTT\n\n").unwrap().name(), NAME);
    }

    #[test]
    fn text_without_times_is_kept() {
        assert_eq!(extract("a.srt", "One line\n\nTwo\nthree\n\n7\n"), "One line\nTwo\nthree\n");
    }
}
