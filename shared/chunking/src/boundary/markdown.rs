//! The lines of a Markdown document: headings, code fences, front matter, comments.
//!
//! A subset of CommonMark, decided line by line: a line is no heading inside a fence, front matter, a comment
//! or indented code, and only a paragraph is underlined; a list item, a quote or a table row is not.

use crate::pre_token::Gap;
use crate::scanner::PEEK_BYTES;

/// From this indentation on, a line is code or belongs to a list item.
const CODE_INDENT: u32 = 4;

/// Reads the lines of a document in order.
#[derive(Debug)]
pub(super) struct MarkdownLines {
    split_level: u8,
    is_at_start: bool,
    is_in_heading: bool,
    is_in_list: bool,
    /// What the line before leaves open.
    open: Open,
    fence: Option<Fence>,
    comment: Option<Comment>,
    section: Section,
}

/// A line, and what comes before it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Line {
    pub(super) kind: LineKind,
    pub(super) follows_heading: bool,
    pub(super) follows_fence: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum LineKind {
    Text,
    /// The first line of a fence or of front matter.
    Opening,
    /// A later line of one.
    Fenced {
        closes: bool,
    },
    Heading {
        depth: u8,
        begins_section: bool,
    },
    /// The line before turns out to be a heading.
    Underline {
        depth: u8,
        begins_section: bool,
    },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Open {
    Nothing,
    Paragraph,
    /// A list item, quote, table row, comment or code.
    Other,
}

/// The text of a section so far; headings do not count.
#[derive(Debug, Clone, Copy, Default)]
struct Section {
    has_text_before_line: bool,
    line_is_text: bool,
}

#[derive(Debug, Clone, Copy)]
struct Fence {
    mark: u8,
    length: usize,
    is_front_matter: bool,
    line: FenceLine,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum FenceLine {
    /// In the marks of the opening line.
    Marks,
    /// After the marks of the opening line.
    Info,
    Inside,
    Closing,
}

/// A comment that begins a line, and the dashes before the next character.
#[derive(Debug, Clone, Copy)]
struct Comment {
    dashes: u8,
}

impl MarkdownLines {
    /// Headings of `split_level` and above begin a section.
    pub(super) fn new(split_level: u8) -> Self {
        Self {
            split_level,
            is_at_start: true,
            is_in_heading: false,
            is_in_list: false,
            open: Open::Nothing,
            fence: None,
            comment: None,
            section: Section::default(),
        }
    }

    pub(super) fn is_in_fence(&self) -> bool {
        self.fence.is_some()
    }

    /// Reads the first pre-token of a line. `peek` is the start of the line.
    pub(super) fn begin_line(&mut self, gap: &Gap, first: char, peek: &str) -> Line {
        let is_first = std::mem::take(&mut self.is_at_start);
        let before = self.section;
        self.section.has_text_before_line |= before.line_is_text;
        self.section.line_is_text = true;
        let follows_fence = self.fence.is_some_and(|fence| fence.line == FenceLine::Closing);
        if follows_fence || self.fence.is_some_and(|fence| fence.is_none_after_all(gap, peek)) {
            self.fence = None;
        }
        if let Some(fence) = &mut self.fence {
            let closes = fence.closes(peek);
            fence.line = if closes { FenceLine::Closing } else { FenceLine::Inside };
            return Line { kind: LineKind::Fenced { closes }, follows_heading: false, follows_fence: false };
        }
        let follows_heading = std::mem::take(&mut self.is_in_heading);
        let kind = match self.comment {
            Some(_) => LineKind::Text,
            None => self.classify(gap, peek, is_first, before),
        };
        self.follow_comment(gap, first);
        Line { kind, follows_heading, follows_fence }
    }

    /// Reads another pre-token of a line.
    pub(super) fn continue_line(&mut self, gap: &Gap, first: char) {
        self.follow_comment(gap, first);
        let Some(fence) = &mut self.fence else {
            return;
        };
        match (fence.line, first) {
            (FenceLine::Marks, mark) if mark == char::from(fence.mark) => {}
            (FenceLine::Marks, _) => fence.line = FenceLine::Info,
            // A backtick after the marks makes the line an inline code span instead of a fence.
            (FenceLine::Info, '`') if fence.mark == b'`' => self.fence = None,
            _ => {}
        }
    }

    fn classify(&mut self, gap: &Gap, peek: &str, is_first: bool, before: Section) -> LineKind {
        let follows_blank = gap.lines > 1;
        let is_indented = gap.indent_columns >= CODE_INDENT;
        let is_item = is_list_item(peek) && !(is_indented && follows_blank && !self.is_in_list);
        if follows_blank {
            self.open = Open::Nothing;
            self.is_in_list &= gap.indent_columns >= 2 || is_item;
        }
        let open = std::mem::replace(&mut self.open, Open::Nothing);
        if is_first && let Some(fence) = Fence::of_front_matter(peek) {
            self.fence = Some(fence);
            return LineKind::Opening;
        }
        if (!is_indented || self.is_in_list)
            && let Some(fence) = Fence::of(peek)
        {
            self.fence = Some(fence);
            return LineKind::Opening;
        }
        if !is_indented {
            if let Some(depth) = heading_depth(peek) {
                self.is_in_heading = true;
                let begins_section = self.begin_section(depth, self.section.has_text_before_line);
                return LineKind::Heading { depth, begins_section };
            }
            if open == Open::Paragraph
                && let Some(depth) = underline_depth(peek)
            {
                self.is_in_heading = true;
                let begins_section = self.begin_section(depth, before.has_text_before_line);
                return LineKind::Underline { depth, begins_section };
            }
            if peek.starts_with("<!--") {
                self.comment = Some(Comment { dashes: 0 });
            }
        }
        self.is_in_list |= is_item;
        let is_other = is_item || is_indented || self.comment.is_some() || peek.starts_with(['>', '|']);
        self.open = match open {
            // Indented text continues a paragraph.
            Open::Paragraph if is_indented && !is_item => Open::Paragraph,
            Open::Other => Open::Other,
            _ if is_other => Open::Other,
            _ => Open::Paragraph,
        };
        LineKind::Text
    }

    /// Ends a comment at its `-->`.
    fn follow_comment(&mut self, gap: &Gap, first: char) {
        if let Some(comment) = &mut self.comment {
            let is_joined = gap.bytes == 0;
            match first {
                '-' if is_joined => comment.dashes = comment.dashes.saturating_add(1),
                '-' => comment.dashes = 1,
                '>' if is_joined && comment.dashes >= 2 => self.comment = None,
                _ => comment.dashes = 0,
            }
        }
    }

    /// Records a heading and returns whether a section begins with it.
    fn begin_section(&mut self, depth: u8, has_text_before: bool) -> bool {
        if depth > self.split_level {
            return false;
        }
        self.section = Section::default();
        has_text_before
    }
}

impl Fence {
    fn of(peek: &str) -> Option<Self> {
        [b'`', b'~'].into_iter().find_map(|mark| {
            let length = run(peek, mark);
            (length >= 3).then_some(Self { mark, length, is_front_matter: false, line: FenceLine::Marks })
        })
    }

    /// Front matter is between lines of `---` (YAML) or `+++` (TOML).
    fn of_front_matter(peek: &str) -> Option<Self> {
        [b'-', b'+'].into_iter().find_map(|mark| {
            let is_line = run(peek, mark) == 3 && ends_line(peek, mark);
            is_line.then_some(Self { mark, length: 3, is_front_matter: true, line: FenceLine::Marks })
        })
    }

    fn closes(&self, peek: &str) -> bool {
        let length = run(peek, self.mark);
        let is_end = if self.is_front_matter { length == self.length } else { length >= self.length };
        (is_end && ends_line(peek, self.mark))
            || (self.is_front_matter && self.mark == b'-' && run(peek, b'.') == 3 && ends_line(peek, b'.'))
    }

    /// Whether this was a thematic break, not the start of front matter: a blank line follows it, or a heading
    /// after a blank line.
    fn is_none_after_all(&self, gap: &Gap, peek: &str) -> bool {
        let is_second_line = matches!(self.line, FenceLine::Marks | FenceLine::Info);
        self.is_front_matter && gap.lines > 1 && (is_second_line || heading_depth(peek).is_some())
    }
}

/// Returns how many `mark`s are at the start.
fn run(peek: &str, mark: u8) -> usize {
    peek.bytes().take_while(|byte| *byte == mark).count()
}

/// Whether only white space follows the marks on their line, as far as `peek` shows.
fn ends_line(peek: &str, mark: u8) -> bool {
    let rest = &peek[run(peek, mark)..];
    rest.split(['\n', '\r']).next().unwrap_or_default().trim().is_empty()
}

fn heading_depth(peek: &str) -> Option<u8> {
    let depth = run(peek, b'#');
    let rest = &peek[depth..];
    let is_heading =
        (1..=6).contains(&depth) && (rest.is_empty() || rest.starts_with([' ', '\t', '\n', '\r']));
    is_heading.then(|| u8::try_from(depth).unwrap_or(6))
}

/// Returns the depth of a heading that this line underlines.
fn underline_depth(peek: &str) -> Option<u8> {
    [(b'=', 1), (b'-', 2)].into_iter().find_map(|(mark, depth)| {
        let length = run(peek, mark);
        let is_whole_line = ends_line(peek, mark) || length >= PEEK_BYTES;
        (length >= 3 && is_whole_line).then_some(depth)
    })
}

/// Whether a line that starts like this is an item of a list.
pub(super) fn is_list_item(peek: &str) -> bool {
    let is_blank = |rest: &str| rest.starts_with([' ', '\t']);
    if let Some(rest) = peek.strip_prefix(['-', '*', '+', '•', '–']) {
        return is_blank(rest);
    }
    let digits = peek.bytes().take_while(u8::is_ascii_digit).count();
    let mark = peek.as_bytes().get(digits);
    (1..=3).contains(&digits) && matches!(mark, Some(b'.' | b')')) && is_blank(&peek[digits + 1..])
}
