//! How good a place to cut lies before an atom.

use crate::Layout;
use crate::atom::{Atom, Gap, Kind, extends};
use crate::plan::Plan;
use crate::scanner::{MAX_INDENT_BYTES, PEEK_BYTES};

/// Strength of a place to cut; a greater one is better.
pub(crate) type Level = u8;

/// Inside a word: only where nothing else is left.
pub(crate) const GLUE: Level = 0;
pub(crate) const WORD: Level = 1;
/// A line break that says little: in running text, or deep inside code.
pub(crate) const LINE: Level = 2;
/// A line of code that is indented once.
pub(crate) const SHALLOW_LINE: Level = 3;
pub(crate) const SENTENCE: Level = 4;
/// A list item, or a line of code that is not indented.
pub(crate) const ITEM: Level = 5;
pub(crate) const PARAGRAPH: Level = 6;
/// Six of them: a heading of depth 6 has this level, one of depth 1 the greatest.
pub(crate) const SECTION: Level = 7;

/// The place before one atom.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Boundary {
    pub(crate) level: Level,
    /// A cut here would cut a code fence.
    pub(crate) is_in_fence: bool,
    /// Bytes of indentation that belong to a chunk that starts here.
    pub(crate) indent_bytes: u32,
    /// The line before turned out to be a heading of this level: raise the place before it.
    pub(crate) raises_line_before: Option<Level>,
    /// A line starts here.
    pub(crate) is_line_start: bool,
    /// No chunk is to reach across this place.
    pub(crate) begins_section: bool,
    /// The same of the place before the line before, which turned out to be a heading.
    pub(crate) line_before_begins_section: bool,
}

/// Reads atoms in order and judges the places between them.
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

/// What a section of Markdown has so far: a heading alone is none.
#[derive(Debug, Clone, Copy, Default)]
struct Section {
    has_text_before_line: bool,
    line_is_text: bool,
}

/// What must be known of the atom before.
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
    /// In the marks of the opening line.
    Marks,
    /// Behind them.
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

    /// Judges the place before the next atom. `peek` is the text from the atom on.
    pub(crate) fn next(&mut self, atom: &Atom, text: &str, peek: &str) -> Boundary {
        let first = text.chars().next().unwrap_or_default();
        let mut boundary = Boundary {
            level: GLUE,
            is_in_fence: false,
            indent_bytes: 0,
            raises_line_before: None,
            is_line_start: atom.gap.lines > 0,
            begins_section: false,
            line_before_begins_section: false,
        };
        match self.layout {
            Layout::Prose => boundary.level = self.running_text(&atom.gap, atom.kind, first, peek),
            Layout::Code => {
                boundary.level = self.code(&atom.gap, atom.kind, first);
                boundary.begins_section =
                    self.splits_declarations && boundary.level == SECTION && self.before.is_some();
            }
            Layout::Markdown => self.markdown(atom, first, peek, &mut boundary),
        }
        if self.is_flat {
            boundary.level = boundary.level.min(WORD);
        }
        if boundary.is_line_start && self.layout != Layout::Prose && atom.gap.indent_bytes <= MAX_INDENT_BYTES
        {
            boundary.indent_bytes = atom.gap.indent_bytes;
        }
        self.remember(atom, text, first);
        boundary
    }

    fn running_text(&self, gap: &Gap, kind: Kind, first: char, peek: &str) -> Level {
        match gap.lines {
            0 => self.inline(gap, kind, first),
            1 if is_list_item(peek) => ITEM,
            1 => self.inline(gap, kind, first).max(LINE),
            _ => PARAGRAPH,
        }
    }

    /// Between two atoms of one line.
    fn inline(&self, gap: &Gap, kind: Kind, first: char) -> Level {
        let Some(before) = self.before else {
            return WORD;
        };
        if gap.bytes > 0 {
            return if self.ends_sentence && !first.is_lowercase() { SENTENCE } else { WORD };
        }
        let joins = gap.is_torn || kind == Kind::Punctuation || before.is_opener || extends(first);
        match (joins, self.ends_sentence_without_space) {
            (true, _) => GLUE,
            (false, true) => SENTENCE,
            (false, false) if kind == Kind::Ideograph || before.kind == Kind::Ideograph => WORD,
            (false, false) => GLUE,
        }
    }

    fn code(&self, gap: &Gap, kind: Kind, first: char) -> Level {
        // What closes a block belongs to it.
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

    fn markdown(&mut self, atom: &Atom, first: char, peek: &str, boundary: &mut Boundary) {
        if atom.gap.lines == 0 {
            self.follow_opening_line(first);
            boundary.is_in_fence = self.fence.is_some();
            boundary.level = self.inline(&atom.gap, atom.kind, first);
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
            boundary.level = if closes { WORD } else { self.code(&atom.gap, atom.kind, first) };
            return;
        }
        let was_in_heading = std::mem::take(&mut self.is_in_heading);
        boundary.level = self.running_text(&atom.gap, atom.kind, first, peek);
        if let Some(fence) = fence_of(peek) {
            self.fence = Some(fence);
            boundary.level = boundary.level.max(SENTENCE);
        } else if let Some(depth) = heading_depth(peek) {
            self.is_in_heading = true;
            boundary.level = heading_level(depth);
            boundary.begins_section = self.begin_section(depth, self.section.has_text_before_line);
        } else if atom.gap.lines == 1
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
            // A heading stays with what it heads.
            boundary.level = WORD;
        }
    }

    /// Notes a heading; says whether a section begins with it.
    fn begin_section(&mut self, depth: u8, has_text_before: bool) -> bool {
        if depth > self.split_level {
            return false;
        }
        self.section = Section::default();
        has_text_before
    }

    /// A backtick behind the marks makes the line an inline code span, not a fence.
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

    fn remember(&mut self, atom: &Atom, text: &str, first: char) {
        self.before = Some(Before {
            kind: atom.kind,
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
            '.' => self.ends_sentence = !(self.before_is_abbreviation && atom.gap.bytes == 0),
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
        self.before_is_abbreviation = atom.kind == Kind::Word && is_abbreviation(text);
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

/// How often `mark` stands at the start.
fn fence_run(peek: &str, mark: u8) -> usize {
    peek.bytes().take_while(|byte| *byte == mark).count()
}

fn fence_of(peek: &str) -> Option<Fence> {
    [b'`', b'~'].into_iter().find_map(|mark| {
        let length = fence_run(peek, mark);
        (length >= 3).then_some(Fence { mark, length, line: FenceLine::Marks })
    })
}

/// Nothing but white space follows the marks on their line, as far as can be seen.
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

/// The line under a heading.
fn underline_depth(peek: &str) -> Option<u8> {
    [(b'=', 1), (b'-', 2)].into_iter().find_map(|(mark, depth)| {
        let length = fence_run(peek, mark);
        let is_whole_line = ends_line(peek, mark) || length >= PEEK_BYTES;
        (length >= 3 && is_whole_line).then_some(depth)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Strategy;
    use crate::scanner::Scanner;

    /// The places of a text, each as its level before the atom's text; `!` marks a fence.
    fn levels(layout: Layout, text: &str) -> String {
        let plan = Plan::of(Strategy::Recursive, layout);
        let (mut scanner, mut boundaries) = (Scanner::new(1024, &[]), Boundaries::new(&plan));
        scanner.push(text);
        let mut levels = Vec::new();
        while let Some(atom) = scanner.next(true) {
            let content = scanner.slice(atom.start, atom.end);
            let boundary = boundaries.next(&atom, content, scanner.peek(atom.start));
            if boundary.level != GLUE || boundary.is_in_fence {
                let mark = if boundary.is_in_fence { "!" } else { "" };
                levels.push(format!("{}{mark}{content}", boundary.level));
            } else if let Some(last) = levels.last_mut() {
                last.push_str(content);
            }
        }
        levels.join(" ")
    }

    #[test]
    fn running_text_breaks_at_paragraphs_sentences_and_words() {
        let text = "One two. Three (four!) \"Five?\" six\nseven. eight Dr. No e.g. This 3.5\n- item\n\nend";
        insta::assert_snapshot!(
            levels(Layout::Prose, text),
            @r#"6One 1two. 4Three 1(four!) 4"Five?" 1six 2seven. 1eight 1Dr. 1No 1e.g. 1This 13.5 5- 1item 6end"#
        );
    }

    #[test]
    fn ideographs_are_words_and_marks_stay_with_them() {
        insta::assert_snapshot!(
            levels(Layout::Prose, "「你好，世界。」他说Rust很好！"),
            @"6「你 1好， 1世 1界。」 4他 1说 1Rust 1很 1好！"
        );
    }

    #[test]
    fn markdown_breaks_before_headings_and_not_after_them() {
        let text = "# Title\n\nIntro text.\n\n## Part\ntext\n\nOld\n===\n\nmore";
        insta::assert_snapshot!(
            levels(Layout::Markdown, text),
            @"12# 1Title 1Intro 1text. 11## 1Part 1text 6Old 1=== 1more"
        );
    }

    #[test]
    fn markdown_fences_are_marked_from_their_second_mark_to_their_end() {
        let text = "Run:\n```sh\na b\n\n``` x\n```\nafter ```code``` span\n```no `fence\nend";
        insta::assert_snapshot!(
            levels(Layout::Markdown, text),
            @"6Run: 4` 0!` 0!` 0!sh 5!a 1!b 7!` 0!` 0!` 1!x 1!` 0!` 0!` 4after 1```code``` 1span 4` 0!` 0!` 0!no 1`fence 2end"
        );
    }

    #[test]
    fn code_breaks_at_blank_lines_and_shallow_lines() {
        let text = "use a;\n\nfn b() {\n    c();\n        d();\n\n    e();\n}\nfn f() {}\n";
        insta::assert_snapshot!(
            levels(Layout::Code, text),
            @"7use 1a; 7fn 1b() 1{ 3c(); 2d(); 6e(); 1} 5fn 1f() 1{}"
        );
    }
}
