//! How good a place to split lies before a pre-token.

use crate::Layout;
use crate::plan::Plan;
use crate::pre_token::{Gap, Kind, PreToken, extends};
use crate::scanner::{MAX_INDENT_BYTES, PEEK_BYTES};

/// The semantic level of a boundary; a split at a higher level is better.
pub(crate) type Level = u8;

/// Inside a word: the last resort.
pub(crate) const INSIDE_WORD: Level = 0;
pub(crate) const WORD: Level = 1;
/// A line break without meaning: in prose, or in deeply indented code.
pub(crate) const LINE: Level = 2;
/// A line of code that is indented once.
pub(crate) const SHALLOW_LINE: Level = 3;
pub(crate) const SENTENCE: Level = 4;
/// A list item, or a line of code that is not indented.
pub(crate) const ITEM: Level = 5;
pub(crate) const PARAGRAPH: Level = 6;
/// Six of them: a heading of depth 6 has this level, one of depth 1 the greatest.
pub(crate) const SECTION: Level = 7;

/// The boundary before one pre-token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Boundary {
    pub(crate) level: Level,
    /// A split here would split a code fence.
    pub(crate) is_in_fence: bool,
    /// Bytes of indentation that belong to a chunk that starts here.
    pub(crate) indent_bytes: u32,
    /// The line before turned out to be a heading of this level: its own boundary is raised to it.
    pub(crate) raises_line_before: Option<Level>,
    /// A line starts here.
    pub(crate) is_line_start: bool,
    /// No chunk may span this boundary.
    pub(crate) begins_section: bool,
    /// No chunk may span the boundary before the previous line, which turned out to be a heading.
    pub(crate) line_before_begins_section: bool,
}

/// Reads pre-tokens in order and rates the boundaries between them.
#[derive(Debug)]
pub(crate) struct Boundaries {
    layout: Layout,
    is_flat: bool,
    split_level: u8,
    splits_declarations: bool,
    before: Option<Before>,
    ends_sentence: bool,
    ends_sentence_without_space: bool,
    before_is_abbreviation: bool,
    is_in_heading: bool,
    fence: Option<Fence>,
    section: Section,
}

/// The text of a Markdown section so far; headings do not count.
#[derive(Debug, Clone, Copy, Default)]
struct Section {
    has_text_before_line: bool,
    line_is_text: bool,
}

/// The previous pre-token.
#[derive(Debug, Clone, Copy)]
struct Before {
    kind: Kind,
    is_opener: bool,
}

#[derive(Debug, Clone, Copy)]
struct Fence {
    mark: u8,
    length: usize,
    line: FenceLine,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum FenceLine {
    /// In the fence marks of the opening line.
    Marks,
    /// After the marks of the opening line.
    Info,
    Inside,
    Closing,
}

impl Boundaries {
    pub(crate) fn new(plan: &Plan) -> Self {
        Self {
            layout: plan.layout,
            is_flat: plan.is_flat,
            split_level: plan.split_level,
            splits_declarations: plan.splits_declarations,
            before: None,
            ends_sentence: false,
            ends_sentence_without_space: false,
            before_is_abbreviation: false,
            is_in_heading: false,
            fence: None,
            section: Section::default(),
        }
    }

    /// Rates the boundary before the next pre-token. `peek` is the text from the pre-token on.
    pub(crate) fn next(&mut self, pre_token: &PreToken, text: &str, peek: &str) -> Boundary {
        let first = text.chars().next().unwrap_or_default();
        let mut boundary = Boundary {
            level: INSIDE_WORD,
            is_in_fence: false,
            indent_bytes: 0,
            raises_line_before: None,
            is_line_start: pre_token.gap.lines > 0,
            begins_section: false,
            line_before_begins_section: false,
        };
        match self.layout {
            Layout::Prose => boundary.level = self.prose(&pre_token.gap, pre_token.kind, first, peek),
            Layout::Code => {
                boundary.level = self.code(&pre_token.gap, pre_token.kind, first);
                boundary.begins_section =
                    self.splits_declarations && boundary.level == SECTION && self.before.is_some();
            }
            Layout::Markdown => self.markdown(pre_token, first, peek, &mut boundary),
        }
        if self.is_flat {
            boundary.level = boundary.level.min(WORD);
        }
        if boundary.is_line_start
            && self.layout != Layout::Prose
            && pre_token.gap.indent_bytes <= MAX_INDENT_BYTES
        {
            boundary.indent_bytes = pre_token.gap.indent_bytes;
        }
        self.remember(pre_token, text, first);
        boundary
    }

    fn prose(&self, gap: &Gap, kind: Kind, first: char, peek: &str) -> Level {
        match gap.lines {
            0 => self.inline(gap, kind, first),
            1 if is_list_item(peek) => ITEM,
            1 => self.inline(gap, kind, first).max(LINE),
            _ => PARAGRAPH,
        }
    }

    /// Rates a boundary within a line.
    fn inline(&self, gap: &Gap, kind: Kind, first: char) -> Level {
        let Some(before) = self.before else {
            return WORD;
        };
        if gap.bytes > 0 {
            return if self.ends_sentence && !first.is_lowercase() { SENTENCE } else { WORD };
        }
        let joins = gap.continues_word || kind == Kind::Punctuation || before.is_opener || extends(first);
        match (joins, self.ends_sentence_without_space) {
            (true, _) => INSIDE_WORD,
            (false, true) => SENTENCE,
            (false, false) if kind == Kind::Ideograph || before.kind == Kind::Ideograph => WORD,
            (false, false) => INSIDE_WORD,
        }
    }

    fn code(&self, gap: &Gap, kind: Kind, first: char) -> Level {
        // A closing bracket belongs to its block.
        let is_closer = matches!(first, '}' | ')' | ']');
        match (gap.lines, gap.indent_columns) {
            (0, _) => self.inline(gap, kind, first).min(WORD),
            (_, _) if is_closer => WORD,
            (1, 0) => ITEM,
            (1, 1..=4) => SHALLOW_LINE,
            (1, _) => LINE,
            (_, 0) => SECTION,
            (_, _) => PARAGRAPH,
        }
    }

    fn markdown(&mut self, pre_token: &PreToken, first: char, peek: &str, boundary: &mut Boundary) {
        if pre_token.gap.lines == 0 {
            self.follow_opening_line(first);
            boundary.is_in_fence = self.fence.is_some();
            boundary.level = self.inline(&pre_token.gap, pre_token.kind, first);
            return;
        }
        let before = self.section;
        self.section.has_text_before_line |= before.line_is_text;
        self.section.line_is_text = true;
        let is_after_fence = self.fence.is_some_and(|fence| fence.line == FenceLine::Closing);
        if is_after_fence {
            self.fence = None;
        }
        if let Some(fence) = &mut self.fence {
            let closes = fence_run(peek, fence.mark) >= fence.length && ends_line(peek, fence.mark);
            fence.line = if closes { FenceLine::Closing } else { FenceLine::Inside };
            boundary.is_in_fence = true;
            boundary.level = if closes { WORD } else { self.code(&pre_token.gap, pre_token.kind, first) };
            return;
        }
        let was_in_heading = std::mem::take(&mut self.is_in_heading);
        boundary.level = self.prose(&pre_token.gap, pre_token.kind, first, peek);
        if let Some(fence) = fence_of(peek) {
            self.fence = Some(fence);
            boundary.level = boundary.level.max(SENTENCE);
        } else if let Some(depth) = heading_depth(peek) {
            self.is_in_heading = true;
            boundary.level = heading_level(depth);
            boundary.begins_section = self.begin_section(depth, self.section.has_text_before_line);
        } else if pre_token.gap.lines == 1
            && !was_in_heading
            && let Some(depth) = underline_depth(peek)
        {
            self.is_in_heading = true;
            boundary.level = WORD;
            boundary.raises_line_before = Some(heading_level(depth));
            boundary.line_before_begins_section = self.begin_section(depth, before.has_text_before_line);
        }
        if is_after_fence {
            boundary.level = boundary.level.max(SENTENCE);
        }
        if was_in_heading && !self.is_in_heading {
            // A heading stays with its section.
            boundary.level = WORD;
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

    /// A backtick after the marks makes the line an inline code span instead of a fence.
    fn follow_opening_line(&mut self, first: char) {
        let Some(fence) = &mut self.fence else {
            return;
        };
        match (fence.line, first) {
            (FenceLine::Marks, mark) if mark == char::from(fence.mark) => {}
            (FenceLine::Marks, _) => fence.line = FenceLine::Info,
            (FenceLine::Info, '`') if fence.mark == b'`' => self.fence = None,
            _ => {}
        }
    }

    fn remember(&mut self, pre_token: &PreToken, text: &str, first: char) {
        self.before = Some(Before {
            kind: pre_token.kind,
            is_opener: matches!(
                first,
                '(' | '['
                    | '{'
                    | '<'
                    | '«'
                    | '“'
                    | '‘'
                    | '¿'
                    | '¡'
                    | '（'
                    | '［'
                    | '｛'
                    | '｢'
                    | '「'
                    | '『'
                    | '【'
                    | '《'
                    | '〈'
                    | '〔'
                    | '〖'
            ),
        });
        match first {
            '.' => self.ends_sentence = !(self.before_is_abbreviation && pre_token.gap.bytes == 0),
            '!' | '?' | '…' | '。' | '！' | '？' | '．' | '｡' | '।' | '؟' | '۔' => {
                self.ends_sentence = true
            }
            ')' | ']' | '"' | '\'' | '”' | '’' | '»' | '*' | '_' | '）' | '」' | '』' | '】' | '》'
            | '〉' => {}
            _ => self.ends_sentence = false,
        }
        let is_wide_end = matches!(first, '。' | '！' | '？' | '｡');
        let is_wide_closer = matches!(first, '）' | '」' | '』' | '】' | '》' | '〉' | '”' | '’');
        self.ends_sentence_without_space =
            is_wide_end || (self.ends_sentence_without_space && is_wide_closer);
        self.before_is_abbreviation = pre_token.kind == Kind::Word && is_abbreviation(text);
    }
}

fn heading_level(depth: u8) -> Level {
    SECTION + 6 - depth.clamp(1, 6)
}

fn is_abbreviation(word: &str) -> bool {
    const KNOWN: [&str; 18] = [
        "mr", "mrs", "ms", "dr", "prof", "st", "vs", "etc", "fig", "no", "vol", "al", "jr", "sr", "inc",
        "approx", "cf", "ca",
    ];
    word.len() <= 6
        && (word.chars().count() == 1 && word.chars().all(char::is_alphabetic)
            || KNOWN.iter().any(|known| known.eq_ignore_ascii_case(word)))
}

fn is_list_item(peek: &str) -> bool {
    let is_blank = |rest: &str| rest.starts_with([' ', '\t']);
    if let Some(rest) = peek.strip_prefix(['-', '*', '+', '•', '–']) {
        return is_blank(rest);
    }
    let digits = peek.bytes().take_while(u8::is_ascii_digit).count();
    let mark = peek.as_bytes().get(digits);
    (1..=3).contains(&digits) && matches!(mark, Some(b'.' | b')')) && is_blank(&peek[digits + 1..])
}

/// Returns how many `mark`s are at the start.
fn fence_run(peek: &str, mark: u8) -> usize {
    peek.bytes().take_while(|byte| *byte == mark).count()
}

fn fence_of(peek: &str) -> Option<Fence> {
    [b'`', b'~'].into_iter().find_map(|mark| {
        let length = fence_run(peek, mark);
        (length >= 3).then_some(Fence { mark, length, line: FenceLine::Marks })
    })
}

/// Whether only white space follows the marks on their line, as far as `peek` shows.
fn ends_line(peek: &str, mark: u8) -> bool {
    let rest = &peek[fence_run(peek, mark)..];
    rest.split(['\n', '\r']).next().unwrap_or_default().trim().is_empty()
}

fn heading_depth(peek: &str) -> Option<u8> {
    let depth = fence_run(peek, b'#');
    let rest = &peek[depth..];
    let is_heading =
        (1..=6).contains(&depth) && (rest.is_empty() || rest.starts_with([' ', '\t', '\n', '\r']));
    is_heading.then(|| u8::try_from(depth).unwrap_or(6))
}

/// Returns the depth of a heading that this line underlines.
fn underline_depth(peek: &str) -> Option<u8> {
    [(b'=', 1), (b'-', 2)].into_iter().find_map(|(mark, depth)| {
        let length = fence_run(peek, mark);
        let is_whole_line = ends_line(peek, mark) || length >= PEEK_BYTES;
        (length >= 3 && is_whole_line).then_some(depth)
    })
}

#[cfg(test)]
mod tests;
