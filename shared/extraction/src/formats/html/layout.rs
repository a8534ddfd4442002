//! What of a page is visible: follows its elements and writes their text.
//!
//! Elements are followed on a stack as browsers do it, reduced to what decides whether text is shown and where
//! it stands: an element ends at its end tag, at that of an element around it, or where HTML implies its end.

use std::borrow::Cow;

use super::attributes::{Attributes, Display};
use super::element::Element;
use super::elements::{Elements, Open};
use super::main_content::Regions;
use super::title::Title;
use super::writer::{Anchor, Gap, Heading, State, Writer};

/// Text in a navigation or picture that is longer is kept: its end tag seems to be missing.
const MAX_OPTIONAL_BYTES: usize = 64 * 1024;

/// A table cell with more text lays out a part of the page: its paragraphs stay apart.
const MAX_DATA_CELL_BYTES: u64 = 400;

/// Writes the visible text of a page.
#[derive(Debug)]
pub(super) struct Layout {
    writer: Writer,
    title: Title,
    elements: Elements,
    is_in_head: bool,
    /// Index of the outermost open element that is not shown.
    hidden: Option<usize>,
    /// The open element that is left out, if it is closed.
    optional: Option<Optional>,
    pub(super) regions: Regions,
    /// The latest element with a name, and the bytes that were written before it.
    named: Option<(String, u64)>,
}

/// An open element that readers skip, such as `nav`, or an `aside` of the main content, or whose text browsers do not show, such as `video`. Its
/// text is written, and removed at its end tag: where that is missing, the rest of the page would be lost.
#[derive(Debug)]
struct Optional {
    index: usize,
    start: usize,
    state: State,
}

impl Layout {
    pub(super) fn new() -> Self {
        Self {
            writer: Writer::new(),
            title: Title::Unseen,
            elements: Elements::default(),
            is_in_head: false,
            hidden: None,
            optional: None,
            regions: Regions::default(),
            named: None,
        }
    }

    pub(super) fn start_tag(
        &mut self,
        name: &str,
        is_self_closing: bool,
        attributes: &Attributes,
        out: &mut String,
    ) {
        self.writer.drops_line_break = false;
        let element = Element::find(name);
        if let Some(element) = element {
            self.end_optional_before(element, out);
            if self.hidden.is_none() && self.optional.is_none() {
                // As in a browser, an element that does not belong in the head ends it.
                self.is_in_head = name == "head" || (self.is_in_head && element.may_be_in_head());
            }
            self.close_to(self.elements.depth_for_start(element), out);
        } else if self.optional.is_none() && self.hidden.is_none() {
            self.is_in_head = false;
        }
        // Pages that scripts reveal hide all of themselves.
        let is_hidden = is_never_shown(name, element, attributes) && !matches!(name, "html" | "body");
        if self.hidden.is_none() && !is_hidden {
            self.begin(name, element, attributes, out);
        }
        if element.is_some_and(Element::is_void) || (is_self_closing && matches!(name, "svg" | "math")) {
            return;
        }
        let name = match element {
            Some(element) if element.is_tracked() => Cow::Borrowed(element.name),
            // Others are followed only where their end matters.
            _ if is_hidden || self.hidden.is_some() || attributes.display().is_some() => {
                Cow::Owned(name.to_owned())
            }
            _ => return,
        };
        let is_cell = matches!(&*name, "td" | "th");
        let Some(index) = self.elements.push(name, attributes.display()) else {
            return;
        };
        if self.hidden.is_some() {
            return;
        }
        if is_hidden {
            self.hidden = Some(index);
        } else if self.optional.is_none() && self.is_optional(element) {
            self.optional = Some(Optional { index, start: out.len(), state: self.writer.state() });
        } else if self.optional.is_none() {
            let name = element.map_or("", |element| element.name);
            self.regions.begin(name, attributes.is_main, index, out.len());
        }
        if is_cell && let Some(cell) = self.elements.cell() {
            cell.written_before = self.writer.total;
        }
    }

    pub(super) fn end_tag(&mut self, name: &str, out: &mut String) {
        // The page goes on behind these.
        if matches!(name, "body" | "html") {
            return;
        }
        if name == "head" {
            self.is_in_head = false;
        }
        let element = Element::find(name);
        let is_followed = element.is_some_and(Element::is_tracked) || self.elements.has_inline();
        let depth = if is_followed { self.elements.depth_for_end(name) } else { self.elements.depth() };
        if self.optional.as_ref().is_some_and(|optional| optional.index == depth) {
            self.discard_optional(out);
        }
        let is_open = depth < self.elements.depth();
        self.close_to(depth, out);
        if self.hidden.is_none() && !is_open {
            self.end(element, None, out);
        }
    }

    pub(super) fn begin_title(&mut self) {
        self.title.begin(self.hidden.is_none() && self.optional.is_none());
    }

    /// Writes the title as the first paragraph, unless text has come before it.
    pub(super) fn end_title(&mut self, out: &mut String) {
        if let Some(title) = self.title.end()
            && !self.writer.has_written()
        {
            let start = out.len();
            self.writer.flowing_text(title, out);
            self.writer.separate(Gap::Paragraph);
            self.regions.add_title(start, out.len());
        }
    }

    /// Whether the text being read is that of a title.
    #[cfg(test)]
    pub(super) fn is_in_title(&self) -> bool {
        matches!(self.title, Title::Open(_) | Title::Ignored(_))
    }

    /// Ends the page.
    pub(super) fn finish(&mut self, out: &str) {
        self.close_to(0, out);
        self.writer.end_heading(out);
    }

    /// Returns the title once it is known, and once only.
    pub(super) fn take_title(&mut self) -> Option<String> {
        self.title.take()
    }

    /// Takes the complete headings, and returns how much of the text that was written, `written` bytes, is
    /// decided: positions count from there afterwards.
    pub(super) fn take_headings(&mut self, written: usize) -> (Vec<Heading>, usize) {
        let limit = self.optional.as_ref().map_or(written, |optional| optional.start);
        let (headings, end) = self.writer.take_headings(limit);
        if let Some(optional) = &mut self.optional {
            optional.start -= end;
        }
        (headings, end)
    }

    /// Whether all of the text that was written is decided.
    pub(super) fn is_decided(&self) -> bool {
        self.optional.is_none() && !self.writer.is_in_heading()
    }

    pub(super) fn text(&mut self, text: &str, out: &mut String) {
        if self.title.read(text) || self.hidden.is_some() || self.is_in_head || !self.regions.is_wanted() {
            return;
        }
        self.writer.text(text, out);
        if self.optional.as_ref().is_some_and(|optional| out.len() - optional.start > MAX_OPTIONAL_BYTES) {
            self.optional = None;
        }
    }

    /// Ends an element that is skipped where a start tag shows that its end tag is missing.
    fn end_optional_before(&mut self, element: &Element, out: &mut String) {
        let Some(index) = self.optional.as_ref().map(|optional| optional.index) else {
            return;
        };
        let ends = match self.elements.name(index) {
            Some("nav") => matches!(element.name, "main" | "article"),
            Some("svg" | "math") => self.elements.breaks_out(index, element),
            _ => false,
        };
        if ends {
            self.discard_optional(out);
            self.close_to(index, out);
        }
    }

    fn discard_optional(&mut self, out: &mut String) {
        if let Some(Optional { start, state, .. }) = self.optional.take() {
            self.writer.discard(start, state, out);
        }
    }

    /// Closes the open elements from `depth` on.
    fn close_to(&mut self, depth: usize, out: &str) {
        while self.elements.depth() > depth
            && let Some(Open { name, display, .. }) = self.elements.pop()
        {
            let index = self.elements.depth();
            if self.hidden == Some(index) {
                self.hidden = None;
            } else if self.hidden.is_none() {
                self.regions.end(index, out.len());
                self.end(Element::find(&name), display, out);
            }
            if self.optional.as_ref().is_some_and(|optional| optional.index == index) {
                // Without its end tag, all that it seemed to contain is text.
                self.optional = None;
            }
        }
    }

    /// Whether readers skip the element where it is. Notes and footers are skipped in the main content only: elsewhere,
    /// the page may have nothing else.
    fn is_optional(&self, element: Option<&Element>) -> bool {
        element.is_some_and(|element| {
            element.is_optional() || (element.is_beside_content() && self.regions.is_inside())
        })
    }

    /// Separates an element from the text before it.
    fn begin(
        &mut self,
        any_name: &str,
        element: Option<&Element>,
        attributes: &Attributes,
        out: &mut String,
    ) {
        let name = element.map_or("", |element| element.name);
        match name {
            "pre" => {
                self.writer.preformatted += 1;
                self.writer.drops_line_break = true;
            }
            "sup" => self.writer.begin_superscript(),
            "tr" => {
                self.mark_layout_cell();
                self.writer.separate_row();
                return;
            }
            "td" | "th" => {
                let is_first = self.elements.row().is_some_and(|row| {
                    row.cells += 1;
                    row.cells == 1
                });
                if !is_first {
                    self.writer.separate_cell();
                }
                return;
            }
            _ => {}
        }
        if matches!(name, "table" | "pre" | "h1" | "h2") {
            self.mark_layout_cell();
        }
        self.separate(element, attributes.display());
        let heading_level = element.and_then(Element::heading_level);
        if let Some(level) = heading_level {
            let anchor = self.anchor_before();
            self.writer.begin_heading(level, anchor, out);
        }
        // All of a page is no place in it.
        if let Some(anchor) = attributes.anchor(any_name)
            && !matches!(any_name, "html" | "body")
        {
            self.writer.name_heading(anchor);
            if heading_level.is_none() && self.optional.is_none() {
                self.named = Some((anchor.to_owned(), self.writer.total));
            }
        }
        if let Some(alt) = &attributes.alt
            && matches!(name, "img" | "input")
            && self.regions.is_wanted()
            && !self.is_in_head
        {
            self.writer.separate(Gap::Space);
            self.writer.flowing_text(alt, out);
            self.writer.separate(Gap::Space);
        }
    }

    /// The name of the element around a heading that begins here, or directly before it.
    fn anchor_before(&self) -> Anchor {
        match &self.named {
            Some((name, total)) if *total == self.writer.total => Anchor::Near(name.clone()),
            _ => Anchor::None,
        }
    }

    /// Separates an element from the text after it.
    fn end(&mut self, element: Option<&Element>, display: Option<Display>, out: &str) {
        match element.map_or("", |element| element.name) {
            "pre" => self.writer.preformatted = self.writer.preformatted.saturating_sub(1),
            "sup" => self.writer.end_superscript(),
            "td" | "th" => {
                self.writer.separate(Gap::Space);
                return;
            }
            "h1" | "h2" | "h3" | "h4" | "h5" | "h6" => self.writer.end_heading(out),
            _ => {}
        }
        self.separate(element, display);
    }

    fn separate(&mut self, element: Option<&Element>, display: Option<Display>) {
        let (name, gap) = element.map_or(("", Gap::None), |element| (element.name, element.gap));
        let gap = match display {
            Some(Display::Block) => gap.max(Gap::Line),
            Some(Display::InlineBlock) => gap.max(Gap::Space),
            _ => gap,
        };
        if gap == Gap::None {
            return;
        }
        let total = self.writer.total;
        let is_in_data_cell = gap > Gap::Space
            && !matches!(name, "tr" | "thead" | "tbody" | "tfoot" | "table" | "caption")
            && self.elements.cell().is_some_and(|cell| {
                cell.is_layout |= total - cell.written_before > MAX_DATA_CELL_BYTES;
                !cell.is_layout
            });
        self.writer.separate(if is_in_data_cell { Gap::Space } else { gap });
    }

    fn mark_layout_cell(&mut self) {
        if let Some(cell) = self.elements.cell() {
            cell.is_layout = true;
        }
    }
}

/// Whether a browser shows nothing of an element.
fn is_never_shown(name: &str, element: Option<&Element>, attributes: &Attributes) -> bool {
    attributes.is_hidden()
        || element.is_some_and(Element::is_never_shown)
        || (name == "dialog" && !attributes.is_open)
}
