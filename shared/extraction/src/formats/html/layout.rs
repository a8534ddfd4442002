//! The visible text of a page, with its words, lines, paragraphs and headings.

/// Longer titles are truncated.
const MAX_TITLE_BYTES: usize = 1024;

/// Longer headings are truncated.
const MAX_HEADING_BYTES: usize = 1024;

/// Writes the visible text with the white space that a browser would show.
#[derive(Debug)]
pub(super) struct Layout {
    /// Separates the text so far from the next.
    pending: Gap,
    has_written: bool,
    is_in_head: bool,
    /// The element that is skipped with its content, and how many of its name are open.
    skipped: Option<(&'static str, u32)>,
    /// Open `pre` elements, which keep white space.
    preformatted: u32,
    /// The next line break directly follows a `<pre>` and is dropped.
    drops_line_break: bool,
    pub(super) title: Title,
    /// Between the tags of a heading.
    open_heading: Option<OpenHeading>,
    /// Complete ones that were not taken yet.
    headings: Vec<Heading>,
}

/// A heading and where its text starts in what was written.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Heading {
    pub(super) start: usize,
    pub(super) level: u8,
    pub(super) text: String,
}

#[derive(Debug)]
struct OpenHeading {
    level: u8,
    /// Nothing before its first word.
    start: Option<usize>,
    text: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Gap {
    None,
    Space,
    Cell,
    Line,
    Paragraph,
}

#[derive(Debug, PartialEq, Eq)]
pub(super) enum Title {
    Unseen,
    Open(String),
    Seen(String),
    /// Inside a second title, or one within a skipped element.
    Ignored(Option<String>),
}

impl Layout {
    pub(super) fn new() -> Self {
        Self {
            pending: Gap::None,
            has_written: false,
            is_in_head: false,
            skipped: None,
            preformatted: 0,
            drops_line_break: false,
            title: Title::Unseen,
            open_heading: None,
            headings: Vec::new(),
        }
    }

    pub(super) fn start_tag(&mut self, name: &str, is_self_closing: bool) {
        self.drops_line_break = false;
        if let Some((skipped, depth)) = &mut self.skipped {
            let is_content = matches!(name, "main" | "article");
            if *skipped == "nav" && is_content {
                // An unclosed `nav` must not hide the page.
                self.skipped = None;
            } else {
                *depth += u32::from(*skipped == name && !(is_self_closing && name == "svg"));
                return;
            }
        }
        if let Some(skipped) = skipped_element(name) {
            if !(is_self_closing && skipped == "svg") {
                self.skipped = Some((skipped, 1));
            }
            return;
        }
        if name == "head" {
            self.is_in_head = true;
        } else if !matches!(
            name,
            "meta" | "link" | "base" | "basefont" | "bgsound" | "script" | "style" | "html"
        ) {
            // As in a browser, an element that does not belong in the head ends it.
            self.is_in_head = false;
        }
        if name == "pre" {
            self.preformatted += 1;
            self.drops_line_break = true;
        }
        if let Some(level) = heading_level(name) {
            self.end_heading();
            self.open_heading = Some(OpenHeading { level, start: None, text: String::new() });
        }
        self.separate(name);
    }

    pub(super) fn end_tag(&mut self, name: &str) {
        if let Some((skipped, depth)) = &mut self.skipped {
            if *skipped == name {
                *depth -= 1;
            }
            if *depth == 0 || (*skipped == "nav" && name == "body") {
                self.skipped = None;
            }
            return;
        }
        if name == "head" {
            self.is_in_head = false;
        }
        if name == "pre" {
            self.preformatted = self.preformatted.saturating_sub(1);
        }
        if heading_level(name).is_some() {
            self.end_heading();
        }
        self.separate(name);
    }

    pub(super) fn begin_title(&mut self) {
        let title = std::mem::replace(&mut self.title, Title::Unseen);
        self.title = match title {
            Title::Unseen if self.skipped.is_none() => Title::Open(String::new()),
            Title::Unseen => Title::Ignored(None),
            Title::Open(text) | Title::Seen(text) => Title::Ignored(Some(text)),
            Title::Ignored(text) => Title::Ignored(text),
        };
    }

    /// Writes the title as the first paragraph, unless text has come before it.
    pub(super) fn end_title(&mut self, out: &mut String) {
        let title = std::mem::replace(&mut self.title, Title::Unseen);
        self.title = match title {
            Title::Open(raw) => {
                let text = raw.split_ascii_whitespace().collect::<Vec<_>>().join(" ");
                if !text.is_empty() && !self.has_written {
                    out.push_str(&text);
                    self.has_written = true;
                    self.pending = Gap::Paragraph;
                }
                Title::Seen(text)
            }
            Title::Ignored(Some(text)) => Title::Seen(text),
            Title::Ignored(None) => Title::Unseen,
            other => other,
        };
    }

    /// Ends the page and returns its title, if it has one.
    pub(super) fn finish(&mut self) -> Option<String> {
        self.end_heading();
        match std::mem::replace(&mut self.title, Title::Unseen) {
            Title::Seen(text) | Title::Ignored(Some(text)) if !text.is_empty() => Some(text),
            _ => None,
        }
    }

    /// Takes the complete headings, and returns how much of the text that was written, `written` bytes,
    /// comes before an open heading: positions count from there afterwards.
    pub(super) fn take_headings(&mut self, written: usize) -> (Vec<Heading>, usize) {
        let start = self.open_heading.as_mut().and_then(|heading| heading.start.as_mut());
        let end = start.map_or(written, std::mem::take);
        (std::mem::take(&mut self.headings), end)
    }

    pub(super) fn text(&mut self, text: &str, out: &mut String) {
        match &mut self.title {
            Title::Open(title) => {
                let room = MAX_TITLE_BYTES.saturating_sub(title.len()).min(text.len());
                title.push_str(&text[..text.floor_char_boundary(room)]);
                return;
            }
            Title::Ignored(_) => return,
            Title::Unseen | Title::Seen(_) => {}
        }
        if self.skipped.is_some() || self.is_in_head {
            return;
        }
        if self.preformatted > 0 {
            self.preformatted_text(text, out);
        } else {
            self.flowing_text(text, out);
        }
    }

    fn flowing_text(&mut self, text: &str, out: &mut String) {
        let mut rest = text;
        loop {
            let word_start = rest.trim_ascii_start();
            if word_start.len() < rest.len() {
                self.pending = self.pending.max(Gap::Space);
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
        self.write_gap(out);
        let start = out.len();
        out.push_str(text);
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
            self.end_heading();
        }
    }

    fn end_heading(&mut self) {
        if let Some(OpenHeading { level, start: Some(start), text }) = self.open_heading.take() {
            self.headings.push(Heading { start, level, text });
        }
    }

    fn write_gap(&mut self, out: &mut String) {
        if self.has_written {
            out.push_str(match self.pending {
                Gap::None => "",
                Gap::Space => " ",
                Gap::Cell => "\t",
                Gap::Line => "\n",
                Gap::Paragraph => "\n\n",
            });
        }
        self.pending = Gap::None;
        self.has_written = true;
    }

    fn separate(&mut self, name: &str) {
        let gap = match name {
            "p" | "h1" | "h2" | "h3" | "h4" | "h5" | "h6" | "ul" | "ol" | "dl" | "table" | "blockquote"
            | "pre" | "section" | "article" | "main" | "header" | "footer" | "aside" | "figure" | "form"
            | "fieldset" | "hr" | "address" | "details" | "body" => Gap::Paragraph,
            "div" | "li" | "dt" | "dd" | "tr" | "br" | "option" | "legend" | "caption" | "thead"
            | "tbody" | "tfoot" | "center" | "figcaption" | "summary" | "textarea" | "menu" => Gap::Line,
            "td" | "th" => Gap::Cell,
            _ => return,
        };
        self.pending = self.pending.max(gap);
    }
}

fn heading_level(name: &str) -> Option<u8> {
    match name.as_bytes() {
        [b'h', level @ b'1'..=b'6'] => Some(level - b'0'),
        _ => None,
    }
}

/// Elements that a reader of the page does not see, or skips.
fn skipped_element(name: &str) -> Option<&'static str> {
    const SKIPPED: [&str; 9] =
        ["template", "noscript", "nav", "svg", "audio", "video", "canvas", "object", "datalist"];
    SKIPPED.iter().find(|skipped| **skipped == name).copied()
}
