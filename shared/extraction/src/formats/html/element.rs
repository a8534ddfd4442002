//! The elements of HTML that decide what is shown and how it is separated. All others are inline.

use super::writer::Gap;

/// An element by its name.
#[derive(Debug)]
pub(super) struct Element {
    pub(super) name: &'static str,
    /// What separates it from the text beside it.
    pub(super) gap: Gap,
    flags: u8,
    /// See [`key`].
    key: u64,
}

/// Its nesting is followed.
const TRACKED: u8 = 1;
/// It has no content.
const VOID: u8 = 2;
/// It ends an open paragraph.
const ENDS_P: u8 = 4;
/// It ends an open `svg`.
const ENDS_SVG: u8 = 8;
/// It may be in the head.
const IN_HEAD: u8 = 16;
/// A browser never shows its content.
const HIDDEN: u8 = 32;
/// A browser does not show its content, or a reader skips it.
const OPTIONAL: u8 = 64;

impl Element {
    pub(super) fn find(name: &str) -> Option<&'static Self> {
        let position = ELEMENTS.binary_search_by_key(&key(name), |element| element.key).ok()?;
        Some(&ELEMENTS[position]).filter(|element| element.name == name)
    }

    pub(super) fn is_tracked(&self) -> bool {
        self.flags & TRACKED != 0
    }

    pub(super) fn is_void(&self) -> bool {
        self.flags & VOID != 0
    }

    pub(super) fn ends_paragraph(&self) -> bool {
        self.flags & ENDS_P != 0
    }

    pub(super) fn ends_svg(&self) -> bool {
        self.flags & ENDS_SVG != 0
    }

    pub(super) fn may_be_in_head(&self) -> bool {
        self.flags & IN_HEAD != 0
    }

    pub(super) fn is_never_shown(&self) -> bool {
        self.flags & HIDDEN != 0
    }

    pub(super) fn is_optional(&self) -> bool {
        self.flags & OPTIONAL != 0
    }

    /// Whether its content is beside that of the page.
    pub(super) fn is_beside_content(&self) -> bool {
        matches!(self.name, "aside" | "footer")
    }

    pub(super) fn heading_level(&self) -> Option<u8> {
        match self.name.as_bytes() {
            [b'h', level @ b'1'..=b'6'] => Some(level - b'0'),
            _ => None,
        }
    }
}

const fn of(name: &'static str, gap: Gap, flags: u8) -> Element {
    Element { name, gap, flags, key: key(name) }
}

/// The first eight bytes of a name, in the order of names. Every element has another key.
const fn key(name: &str) -> u64 {
    let name = name.as_bytes();
    let (mut key, mut position) = (0, 0);
    while position < 8 {
        key = key << 8 | if position < name.len() { name[position] as u64 } else { 0 };
        position += 1;
    }
    key
}

/// By name.
static ELEMENTS: &[Element] = &[
    of("address", Gap::Paragraph, TRACKED | ENDS_P),
    of("area", Gap::None, VOID),
    of("article", Gap::Paragraph, TRACKED | ENDS_P),
    of("aside", Gap::Paragraph, TRACKED | ENDS_P),
    of("audio", Gap::Space, TRACKED | OPTIONAL),
    of("b", Gap::None, ENDS_SVG),
    of("base", Gap::None, VOID | IN_HEAD),
    of("basefont", Gap::None, VOID | IN_HEAD),
    of("bgsound", Gap::None, VOID | IN_HEAD),
    of("big", Gap::None, ENDS_SVG),
    of("blockquote", Gap::Paragraph, TRACKED | ENDS_P | ENDS_SVG),
    of("body", Gap::Paragraph, ENDS_SVG),
    of("br", Gap::Line, VOID | ENDS_SVG),
    of("button", Gap::Space, TRACKED),
    of("canvas", Gap::Space, TRACKED | OPTIONAL),
    of("caption", Gap::Line, TRACKED),
    of("center", Gap::Line, TRACKED | ENDS_P | ENDS_SVG),
    of("code", Gap::None, ENDS_SVG),
    of("col", Gap::None, VOID),
    of("datalist", Gap::None, TRACKED | HIDDEN),
    of("dd", Gap::Line, TRACKED | ENDS_P | ENDS_SVG),
    of("desc", Gap::None, TRACKED),
    of("details", Gap::Paragraph, TRACKED | ENDS_P),
    of("dialog", Gap::Line, TRACKED | ENDS_P),
    of("dir", Gap::Line, TRACKED | ENDS_P),
    of("div", Gap::Line, TRACKED | ENDS_P | ENDS_SVG),
    of("dl", Gap::Paragraph, TRACKED | ENDS_P | ENDS_SVG),
    of("dt", Gap::Line, TRACKED | ENDS_P | ENDS_SVG),
    of("em", Gap::None, ENDS_SVG),
    of("embed", Gap::Space, VOID | ENDS_SVG),
    of("fieldset", Gap::Paragraph, TRACKED | ENDS_P),
    of("figcaption", Gap::Line, TRACKED | ENDS_P),
    of("figure", Gap::Paragraph, TRACKED | ENDS_P),
    of("footer", Gap::Paragraph, TRACKED | ENDS_P),
    of("foreignobject", Gap::None, TRACKED),
    of("form", Gap::Paragraph, TRACKED | ENDS_P),
    of("frame", Gap::None, VOID),
    of("h1", Gap::Paragraph, TRACKED | ENDS_P | ENDS_SVG),
    of("h2", Gap::Paragraph, TRACKED | ENDS_P | ENDS_SVG),
    of("h3", Gap::Paragraph, TRACKED | ENDS_P | ENDS_SVG),
    of("h4", Gap::Paragraph, TRACKED | ENDS_P | ENDS_SVG),
    of("h5", Gap::Paragraph, TRACKED | ENDS_P | ENDS_SVG),
    of("h6", Gap::Paragraph, TRACKED | ENDS_P | ENDS_SVG),
    of("head", Gap::None, ENDS_SVG),
    of("header", Gap::Paragraph, TRACKED | ENDS_P),
    of("hgroup", Gap::Line, TRACKED | ENDS_P),
    of("hr", Gap::Paragraph, VOID | ENDS_P | ENDS_SVG),
    of("html", Gap::None, IN_HEAD),
    of("i", Gap::None, ENDS_SVG),
    of("iframe", Gap::Space, 0),
    of("img", Gap::None, VOID | ENDS_SVG),
    of("input", Gap::Space, VOID),
    of("label", Gap::Space, TRACKED),
    of("legend", Gap::Line, 0),
    of("li", Gap::Line, TRACKED | ENDS_P | ENDS_SVG),
    of("link", Gap::None, VOID | IN_HEAD),
    of("listing", Gap::Line, ENDS_SVG),
    of("main", Gap::Paragraph, TRACKED | ENDS_P),
    of("math", Gap::Space, TRACKED),
    of("menu", Gap::Line, TRACKED | ENDS_P | ENDS_SVG),
    of("meta", Gap::None, VOID | ENDS_SVG | IN_HEAD),
    of("meter", Gap::Space, 0),
    of("nav", Gap::Line, TRACKED | ENDS_P | OPTIONAL),
    of("nobr", Gap::None, ENDS_SVG),
    of("noscript", Gap::None, TRACKED | IN_HEAD | OPTIONAL),
    of("object", Gap::Space, TRACKED | OPTIONAL),
    of("ol", Gap::Paragraph, TRACKED | ENDS_P | ENDS_SVG),
    of("optgroup", Gap::Line, TRACKED),
    of("option", Gap::Line, TRACKED),
    of("output", Gap::Space, 0),
    of("p", Gap::Paragraph, TRACKED | ENDS_P | ENDS_SVG),
    of("pre", Gap::Paragraph, TRACKED | ENDS_P | ENDS_SVG),
    of("progress", Gap::Space, 0),
    of("rp", Gap::None, TRACKED | HIDDEN),
    of("ruby", Gap::None, ENDS_SVG),
    of("s", Gap::None, ENDS_SVG),
    of("script", Gap::None, IN_HEAD),
    of("search", Gap::Line, TRACKED),
    of("section", Gap::Paragraph, TRACKED | ENDS_P),
    of("select", Gap::Space, TRACKED),
    of("small", Gap::None, ENDS_SVG),
    of("source", Gap::None, VOID),
    of("span", Gap::None, ENDS_SVG),
    of("strike", Gap::None, ENDS_SVG),
    of("strong", Gap::None, ENDS_SVG),
    of("style", Gap::None, IN_HEAD),
    of("sub", Gap::None, ENDS_SVG),
    of("summary", Gap::Line, TRACKED),
    of("sup", Gap::None, ENDS_SVG),
    of("svg", Gap::Space, TRACKED | OPTIONAL),
    of("table", Gap::Paragraph, TRACKED | ENDS_SVG),
    of("tbody", Gap::Line, TRACKED),
    of("td", Gap::None, TRACKED),
    of("template", Gap::None, TRACKED | IN_HEAD | HIDDEN),
    of("textarea", Gap::Line, 0),
    of("tfoot", Gap::Line, TRACKED),
    of("th", Gap::None, TRACKED),
    of("thead", Gap::Line, TRACKED),
    of("title", Gap::None, IN_HEAD),
    of("tr", Gap::Line, TRACKED),
    of("track", Gap::None, VOID),
    of("tt", Gap::None, ENDS_SVG),
    of("u", Gap::None, ENDS_SVG),
    of("ul", Gap::Paragraph, TRACKED | ENDS_P | ENDS_SVG),
    of("video", Gap::Space, TRACKED | OPTIONAL),
    of("wbr", Gap::None, VOID),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_element_is_found_by_its_name() {
        for element in ELEMENTS {
            assert_eq!(Element::find(element.name).map(|found| found.name), Some(element.name));
        }
        assert!(Element::find("span").is_none_or(|span| !span.is_tracked()));
    }
}
