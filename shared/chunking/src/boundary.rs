//! How good a place to split lies before a pre-token.

mod markdown;

use self::markdown::{LineKind, MarkdownLines, is_list_item};
use crate::Layout;
use crate::plan::Plan;
use crate::pre_token::{Gap, Kind, PreToken, extends};
use crate::scanner::MAX_INDENT_BYTES;

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
    /// A split here would split a code fence, front matter or a record.
    pub(crate) is_in_fence: bool,
    /// Bytes of indentation that belong to a chunk that starts here.
    pub(crate) indent_bytes: u32,
    /// The line before turned out to be a heading of this level: its own boundary is raised to it.
    pub(crate) raises_line_before: Option<Level>,
    /// A heading of this depth starts here.
    pub(crate) heading: Option<u8>,
    /// This line underlines the one before, a heading of this depth.
    pub(crate) underline: Option<u8>,
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
    splits_declarations: bool,
    markdown: MarkdownLines,
    before: Option<Before>,
    ends_sentence: bool,
    ends_sentence_without_space: bool,
    before_is_abbreviation: bool,
}

/// The previous pre-token.
#[derive(Debug, Clone, Copy)]
struct Before {
    kind: Kind,
    is_opener: bool,
}

impl Boundaries {
    pub(crate) fn new(plan: &Plan) -> Self {
        Self {
            layout: plan.layout,
            is_flat: plan.is_flat,
            splits_declarations: plan.splits_declarations,
            markdown: MarkdownLines::new(plan.split_level),
            before: None,
            ends_sentence: false,
            ends_sentence_without_space: false,
            before_is_abbreviation: false,
        }
    }

    /// The text that follows is laid out like this.
    pub(crate) fn set_layout(&mut self, layout: Layout) {
        self.layout = layout;
    }

    /// Rates the boundary before the next pre-token. `peek` is the text from the pre-token on.
    pub(crate) fn next(&mut self, pre_token: &PreToken, text: &str, peek: &str) -> Boundary {
        let first = text.chars().next().unwrap_or_default();
        let mut boundary = Boundary {
            level: INSIDE_WORD,
            is_in_fence: false,
            indent_bytes: 0,
            raises_line_before: None,
            heading: None,
            underline: None,
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
            Layout::Records | Layout::Table => {
                boundary.is_in_fence = pre_token.gap.lines == 0;
                boundary.level = match pre_token.gap.lines {
                    0 => self.inline(&pre_token.gap, pre_token.kind, first).min(WORD),
                    _ => ITEM,
                };
            }
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
        let gap = &pre_token.gap;
        if gap.lines == 0 {
            self.markdown.continue_line(gap, first);
            boundary.is_in_fence = self.markdown.is_in_fence();
            boundary.level = self.inline(gap, pre_token.kind, first);
            return;
        }
        let line = self.markdown.begin_line(gap, first, peek);
        boundary.is_in_fence = matches!(line.kind, LineKind::Fenced { .. });
        boundary.level = match line.kind {
            LineKind::Fenced { closes: true } | LineKind::Underline { .. } => WORD,
            LineKind::Fenced { closes: false } => self.code(gap, pre_token.kind, first),
            LineKind::Heading { depth, .. } => heading_level(depth),
            LineKind::Opening => self.prose(gap, pre_token.kind, first, peek).max(SENTENCE),
            LineKind::Text => self.prose(gap, pre_token.kind, first, peek),
        };
        match line.kind {
            LineKind::Heading { depth, begins_section } => {
                boundary.heading = Some(depth);
                boundary.begins_section = begins_section;
            }
            LineKind::Underline { depth, begins_section } => {
                boundary.underline = Some(depth);
                boundary.raises_line_before = Some(heading_level(depth));
                boundary.line_before_begins_section = begins_section;
            }
            LineKind::Text | LineKind::Opening if line.follows_heading => {
                // A heading stays with its section.
                boundary.level = WORD;
            }
            _ if line.follows_fence => boundary.level = boundary.level.max(SENTENCE),
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

#[cfg(test)]
mod tests;
