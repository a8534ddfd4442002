//! Writes visible text with the white space that a browser would show, and its headings.

/// Longer headings are truncated.
const MAX_HEADING_BYTES: usize = 1024;

/// More empty cells in a row are not shown.
const MAX_TABS: usize = 64;

/// What separates two words.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Gap {
    None,
    Space,
    Line,
    Paragraph,
}

/// A heading and where its text is in what was written.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Heading {
    pub(super) start: usize,
    pub(super) end: usize,
    pub(super) level: u8,
    pub(super) text: String,
    pub(super) anchor: Option<String>,
}

#[derive(Debug, Clone)]
struct OpenHeading {
    level: u8,
    /// Nothing before its first word.
    start: Option<usize>,
    text: String,
    anchor: Anchor,
}

/// The name by which links lead to a heading, and how certain it is that it is the heading's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Anchor {
    None,
    /// That of an element before the heading or around it.
    Near(String),
    /// Its own, or that of an element inside it.
    Own(String),
}

/// Writes the words of a page.
#[derive(Debug)]
pub(super) struct Writer {
    state: State,
    /// Open `pre` elements, which keep white space.
    pub(super) preformatted: u32,
    /// The next line break directly follows a `<pre>` and is dropped.
    pub(super) drops_line_break: bool,
    /// Between the tags of a heading.
    open_heading: Option<OpenHeading>,
    /// Complete ones that were not taken yet.
    headings: Vec<Heading>,
    /// Bytes written.
    pub(super) total: u64,
}

/// What the next word depends on.
#[derive(Debug, Clone, Copy)]
pub(super) struct State {
    /// Separates the text so far from the next.
    pending: Gap,
    /// Borders of table cells since the last word.
    tabs: usize,
    has_written: bool,
    /// The last character, if it is a letter or digit.
    ends_in_word: bool,
    /// The next word is the first of a superscript.
    is_superscript: bool,
}

impl Writer {
    pub(super) fn new() -> Self {
        let state = State {
            pending: Gap::None,
            tabs: 0,
            has_written: false,
            ends_in_word: false,
            is_superscript: false,
        };
        Self {
            state,
            preformatted: 0,
            drops_line_break: false,
            open_heading: None,
            headings: Vec::new(),
            total: 0,
        }
    }

    pub(super) fn has_written(&self) -> bool {
        self.state.has_written
    }

    /// What a part of the text begins with, for [`Self::discard`].
    pub(super) fn state(&self) -> State {
        self.state
    }

    /// Removes the text from `start` on, where the state was `state`.
    pub(super) fn discard(&mut self, start: usize, state: State, out: &mut String) {
        out.truncate(start);
        let pending = self.state.pending.max(state.pending);
        self.state = State { pending, is_superscript: false, ..state };
        self.headings.retain(|heading| heading.start < start);
        if self.open_heading.as_ref().is_some_and(|heading| heading.start >= Some(start)) {
            self.open_heading = None;
        }
    }

    pub(super) fn separate(&mut self, gap: Gap) {
        self.state.pending = self.state.pending.max(gap);
        if gap >= Gap::Line {
            self.state.tabs = 0;
        }
    }

    /// Begins a cell that is not the first of its row.
    pub(super) fn separate_cell(&mut self) {
        if self.state.pending < Gap::Paragraph {
            self.state.tabs = (self.state.tabs + 1).min(MAX_TABS);
        }
    }

    /// Begins a row.
    pub(super) fn separate_row(&mut self) {
        self.separate(Gap::Line);
    }

    pub(super) fn begin_superscript(&mut self) {
        self.state.is_superscript = true;
    }

    pub(super) fn end_superscript(&mut self) {
        self.state.is_superscript = false;
    }

    pub(super) fn begin_heading(&mut self, level: u8, anchor: Anchor, out: &str) {
        self.end_heading(out);
        self.open_heading = Some(OpenHeading { level, start: None, text: String::new(), anchor });
    }

    /// Names the open heading by an element inside it, unless it has a name of its own.
    pub(super) fn name_heading(&mut self, name: &str) {
        if let Some(OpenHeading { anchor: anchor @ (Anchor::None | Anchor::Near(_)), .. }) =
            &mut self.open_heading
        {
            *anchor = Anchor::Own(name.to_owned());
        }
    }

    pub(super) fn end_heading(&mut self, out: &str) {
        if let Some(OpenHeading { level, start: Some(start), text, anchor }) = self.open_heading.take() {
            let anchor = match anchor {
                Anchor::None => None,
                Anchor::Near(name) | Anchor::Own(name) => Some(name),
            };
            self.headings.push(Heading { start, end: out.len(), level, text, anchor });
        }
    }

    /// Takes the complete headings before `limit`, and returns how much of the text comes before `limit` and an
    /// open heading: positions count from there afterwards.
    pub(super) fn take_headings(&mut self, limit: usize) -> (Vec<Heading>, usize) {
        let open = self.open_heading.as_mut().and_then(|heading| heading.start.as_mut());
        let end = open.as_ref().map_or(limit, |start| limit.min(**start));
        if let Some(start) = open {
            *start -= end;
        }
        let later = self.headings.partition_point(|heading| heading.start < end);
        let mut later = self.headings.split_off(later);
        for heading in &mut later {
            heading.start -= end;
            heading.end -= end;
        }
        (std::mem::replace(&mut self.headings, later), end)
    }

    /// Whether a heading has begun and not ended.
    pub(super) fn is_in_heading(&self) -> bool {
        self.open_heading.as_ref().is_some_and(|heading| heading.start.is_some())
    }

    pub(super) fn text(&mut self, text: &str, out: &mut String) {
        if self.preformatted > 0 {
            self.preformatted_text(text, out);
        } else {
            self.flowing_text(text, out);
        }
    }

    /// Writes text whose white space separates words.
    pub(super) fn flowing_text(&mut self, text: &str, out: &mut String) {
        let mut rest = text;
        loop {
            let word_start = rest.trim_ascii_start();
            if word_start.len() < rest.len() {
                self.separate(Gap::Space);
            }
            if word_start.is_empty() {
                return;
            }
            let length = word_start.bytes().position(|byte| byte.is_ascii_whitespace());
            let (word, later) = word_start.split_at(length.unwrap_or(word_start.len()));
            self.write(word, out);
            rest = later;
        }
    }

    fn preformatted_text(&mut self, text: &str, out: &mut String) {
        let mut text = text;
        if self.drops_line_break && !text.is_empty() {
            text = text.strip_prefix('\r').unwrap_or(text);
            self.drops_line_break = text.is_empty();
            text = text.strip_prefix('\n').unwrap_or(text);
        }
        if !text.is_empty() {
            self.write(text, out);
        }
    }

    fn write(&mut self, text: &str, out: &mut String) {
        let gap_start = out.len();
        self.write_gap(text, out);
        let start = out.len();
        out.push_str(text);
        self.total += (out.len() - gap_start) as u64;
        self.state.ends_in_word = text.chars().next_back().is_some_and(char::is_alphanumeric);
        let Some(heading) = &mut self.open_heading else {
            return;
        };
        let from = match heading.start {
            Some(_) => gap_start,
            None => *heading.start.insert(start),
        };
        let room = MAX_HEADING_BYTES - heading.text.len();
        let added = &out[from..];
        heading.text.push_str(&added[..added.floor_char_boundary(room)]);
        if added.len() >= room {
            self.end_heading(out);
        }
    }

    fn write_gap(&mut self, text: &str, out: &mut String) {
        let State { pending, tabs, has_written, ends_in_word, is_superscript } = self.state;
        if has_written {
            match (pending, tabs) {
                // A power or the number of a footnote, not a digit of the number before it.
                (Gap::None, 0) if is_superscript && ends_in_word && text.starts_with(char::is_numeric) => {
                    out.push('^');
                }
                (Gap::Space, 0) => out.push(' '),
                (Gap::None | Gap::Space, _) => {}
                (Gap::Line, _) => out.push('\n'),
                (Gap::Paragraph, _) => out.push_str("\n\n"),
            }
            (0..tabs).for_each(|_| out.push('\t'));
        }
        self.state =
            State { pending: Gap::None, tabs: 0, has_written: true, ends_in_word, is_superscript: false };
    }
}
