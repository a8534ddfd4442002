//! The open elements of a page, with the end tags that HTML implies.

use std::borrow::Cow;

use super::attributes::Display;
use super::element::Element;

/// Deeper elements are not followed, as in browsers.
const MAX_DEPTH: usize = 512;

/// End tags do not reach beyond these.
const SCOPE: [&str; 6] = ["table", "td", "th", "caption", "template", "object"];

const TABLE_PARTS: [&str; 8] = ["table", "caption", "thead", "tbody", "tfoot", "tr", "td", "th"];

/// An open element.
#[derive(Debug)]
pub(super) struct Open {
    pub(super) name: Cow<'static, str>,
    pub(super) display: Option<Display>,
    /// Of a row: its cells so far.
    pub(super) cells: u32,
    /// Of a cell: bytes of visible text before it.
    pub(super) written_before: u64,
    /// Of a cell: it lays out a part of the page instead of holding data.
    pub(super) is_layout: bool,
}

impl Open {
    fn is_inline(&self) -> bool {
        matches!(self.name, Cow::Owned(_))
    }
}

/// The stack of open elements.
#[derive(Debug, Default)]
pub(super) struct Elements {
    stack: Vec<Open>,
    /// How many of them are not followed by their kind.
    inline: usize,
}

impl Elements {
    pub(super) fn depth(&self) -> usize {
        self.stack.len()
    }

    pub(super) fn pop(&mut self) -> Option<Open> {
        let popped = self.stack.pop();
        self.inline -= usize::from(popped.as_ref().is_some_and(Open::is_inline));
        popped
    }

    /// Whether elements are open that are not followed by their kind.
    pub(super) fn has_inline(&self) -> bool {
        self.inline > 0
    }

    pub(super) fn name(&self, index: usize) -> Option<&str> {
        self.stack.get(index).map(|open| &*open.name)
    }

    /// Opens an element, unless it has no content or is too deep, and returns its index.
    pub(super) fn push(&mut self, name: Cow<'static, str>, display: Option<Display>) -> Option<usize> {
        if self.stack.len() >= MAX_DEPTH {
            return None;
        }
        let open = Open { name, display, cells: 0, written_before: 0, is_layout: false };
        self.inline += usize::from(open.is_inline());
        self.stack.push(open);
        Some(self.stack.len() - 1)
    }

    /// The depth to which a start tag closes open elements.
    pub(super) fn depth_for_start(&self, element: &Element) -> usize {
        let closed = match element.name {
            "dd" | "dt" => self.find(&["dd", "dt"], &["dl", "table", "td", "th"]),
            "li" => self.find(&["li"], &["ul", "ol", "menu", "table", "td", "th", "section", "article"]),
            "option" | "optgroup" => self.find(&["option"], &["select", "datalist", "optgroup"]),
            "tr" => self.find(&["tr", "caption"], &["table"]),
            "td" | "th" => self.find(&["td", "th", "caption"], &["table", "tr"]),
            "tbody" | "thead" | "tfoot" => self.find(&["tbody", "thead", "tfoot", "caption"], &["table"]),
            _ => None,
        };
        let scope = ["table", "td", "th", "caption", "template", "object", "button", "foreignobject"];
        let paragraph = element.ends_paragraph().then(|| self.find(&["p"], &scope)).flatten();
        let depth = closed.or(paragraph).unwrap_or(self.stack.len());
        // A heading ends the one before it.
        let is_in_heading = self.stack.last().is_some_and(|last| is_heading(&last.name));
        if is_in_heading && is_heading(element.name) { depth.min(self.stack.len() - 1) } else { depth }
    }

    /// The depth to which an end tag closes open elements.
    pub(super) fn depth_for_end(&self, name: &str) -> usize {
        let found = if is_heading(name) {
            self.find(&["h1", "h2", "h3", "h4", "h5", "h6"], &SCOPE)
        } else if TABLE_PARTS.contains(&name) {
            self.find(&[name], if name == "table" { &["template"] } else { &["table"] })
        } else {
            self.find(&[name], &SCOPE)
        };
        found.unwrap_or(self.stack.len())
    }

    /// Whether a start tag ends the `svg` at `index`.
    pub(super) fn breaks_out(&self, index: usize, element: &Element) -> bool {
        let inner = self.stack.get(index + 1..).unwrap_or_default();
        let has_html = inner.iter().any(|open| matches!(&*open.name, "foreignobject" | "desc"));
        element.ends_svg() && !has_html
    }

    /// The row that a new cell belongs to.
    pub(super) fn row(&mut self) -> Option<&mut Open> {
        self.innermost("tr", "tr", "table")
    }

    /// The innermost cell.
    pub(super) fn cell(&mut self) -> Option<&mut Open> {
        self.innermost("td", "th", "table")
    }

    fn innermost(&mut self, name: &str, other: &str, boundary: &str) -> Option<&mut Open> {
        let found = self.stack.iter_mut().rev().find(|open| {
            let open = &*open.name;
            open == name || open == other || open == boundary
        });
        found.filter(|open| open.name != boundary)
    }

    /// Index of the innermost of `names`, unless one of `boundaries` is inside it.
    fn find(&self, names: &[&str], boundaries: &[&str]) -> Option<usize> {
        let is_end = |open: &Open| names.contains(&&*open.name) || boundaries.contains(&&*open.name);
        let index = self.stack.iter().rposition(is_end)?;
        names.contains(&&*self.stack[index].name).then_some(index)
    }
}

fn is_heading(name: &str) -> bool {
    matches!(name.as_bytes(), [b'h', b'1'..=b'6'])
}
