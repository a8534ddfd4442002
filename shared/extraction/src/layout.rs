//! Where the text of a page breaks into words, lines and paragraphs.

/// Longer titles are cut.
const MAX_TITLE_BYTES: usize = 1024;

/// Writes the visible text, with white space as a browser would lay it out.
#[derive(Debug)]
pub(crate) struct Layout {
    /// What separates the text so far from the next.
    pending: Gap,
    has_written: bool,
    is_in_head: bool,
    /// An element that is left out with all its content, and how many of its name are open.
    skipped: Option<(&'static str, u32)>,
    /// Open `pre` elements, whose white space counts.
    preformatted: u32,
    /// The next line break directly follows a `<pre>` and does not count.
    drops_line_break: bool,
    title: Title,
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
enum Title {
    Unseen,
    Open(String),
    Seen(String),
    /// A second title, or one inside an element that is left out.
    Ignored(Option<String>),
}

impl Layout {
    pub(crate) fn new() -> Self {
        Self {
            pending: Gap::None,
            has_written: false,
            is_in_head: false,
            skipped: None,
            preformatted: 0,
            drops_line_break: false,
            title: Title::Unseen,
        }
    }

    pub(crate) fn start_tag(&mut self, name: &str, is_self_closing: bool) {
        self.drops_line_break = false;
        if let Some((skipped, depth)) = &mut self.skipped {
            let is_content = matches!(name, "main" | "article");
            if *skipped == "nav" && is_content {
                // A navigation that was never closed must not swallow the page.
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
            // Whatever does not belong into a head ends it, as in a browser.
            self.is_in_head = false;
        }
        if name == "pre" {
            self.preformatted += 1;
            self.drops_line_break = true;
        }
        self.separate(name);
    }

    pub(crate) fn end_tag(&mut self, name: &str) {
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
        self.separate(name);
    }

    pub(crate) fn begin_title(&mut self) {
        let title = std::mem::replace(&mut self.title, Title::Unseen);
        self.title = match title {
            Title::Unseen if self.skipped.is_none() => Title::Open(String::new()),
            Title::Unseen => Title::Ignored(None),
            Title::Open(text) | Title::Seen(text) => Title::Ignored(Some(text)),
            Title::Ignored(text) => Title::Ignored(text),
        };
    }

    /// The title becomes the first paragraph, unless text has come before it.
    pub(crate) fn end_title(&mut self, out: &mut String) {
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

    pub(crate) fn finish(self) -> Option<String> {
        match self.title {
            Title::Seen(text) | Title::Ignored(Some(text)) if !text.is_empty() => Some(text),
            _ => None,
        }
    }

    pub(crate) fn text(&mut self, text: &str, out: &mut String) {
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
            self.write_gap(out);
            out.push_str(word);
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
            self.write_gap(out);
            out.push_str(text);
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

/// Elements that a reader of the page does not read.
fn skipped_element(name: &str) -> Option<&'static str> {
    const SKIPPED: [&str; 9] =
        ["template", "noscript", "nav", "svg", "audio", "video", "canvas", "object", "datalist"];
    SKIPPED.iter().find(|skipped| **skipped == name).copied()
}

#[cfg(test)]
mod tests;
