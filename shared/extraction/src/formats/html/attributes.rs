//! The attributes of a tag that decide what a browser shows, and where links lead.

use domain::ChunkPlace;

/// Longer values are truncated.
const MAX_VALUE_BYTES: usize = 1024;

/// No wanted name is longer.
const MAX_NAME_BYTES: usize = 8;

const WANTED: [&str; 7] = ["hidden", "style", "alt", "role", "open", "id", "name"];

/// The attributes of the current tag.
#[derive(Debug, Default)]
pub(super) struct Attributes {
    /// Of the current attribute, in lower case.
    name: String,
    /// Of the current attribute, if its name is wanted.
    value: String,
    is_truncated: bool,
    /// Those of [`WANTED`] that the tag has, one bit each: the first of a name counts.
    seen: u8,
    has_hidden: bool,
    is_invisible: bool,
    display: Option<Display>,
    pub(super) is_main: bool,
    pub(super) is_open: bool,
    pub(super) alt: Option<String>,
    id: Option<String>,
    /// What links lead to an `a` element by, in old pages.
    name_value: Option<String>,
}

/// The values of CSS's `display` that matter here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Display {
    None,
    Block,
    InlineBlock,
    Other,
}

impl Attributes {
    /// Starts a tag.
    pub(super) fn clear(&mut self) {
        self.name.clear();
        if self.seen != 0 {
            *self = Self::default();
        }
    }

    pub(super) fn push_name(&mut self, character: char) {
        // One character more than any wanted name, so that a longer one is not mistaken for it.
        if self.name.len() <= MAX_NAME_BYTES {
            self.name.push(character.to_ascii_lowercase());
        }
    }

    pub(super) fn push_value(&mut self, value: &str) {
        if self.is_truncated || !WANTED.contains(&self.name.as_str()) {
            return;
        }
        let room = MAX_VALUE_BYTES - self.value.len();
        self.is_truncated = value.len() > room;
        self.value.push_str(&value[..value.floor_char_boundary(room)]);
    }

    /// Ends the current attribute, if there is one.
    pub(super) fn end(&mut self) {
        if WANTED.contains(&self.name.as_str()) {
            let (name, value) = (std::mem::take(&mut self.name), std::mem::take(&mut self.value));
            self.set(&name, &htmlize::unescape_attribute(value.as_str()));
            (self.name, self.value) = (name, value);
        }
        self.name.clear();
        self.value.clear();
        self.is_truncated = false;
    }

    /// Sets an attribute to a value without character references.
    pub(super) fn set(&mut self, name: &str, value: &str) {
        let Some(position) = WANTED.iter().position(|wanted| *wanted == name) else {
            return;
        };
        let bit = 1 << position;
        if self.seen & bit != 0 {
            return;
        }
        self.seen |= bit;
        match name {
            // Browsers reveal `until-found` when they search in the page.
            "hidden" => self.has_hidden = !value.trim().eq_ignore_ascii_case("until-found"),
            "style" => self.read_style(value),
            "alt" => self.alt = Some(value.to_owned()),
            "role" => self.is_main = value.trim().eq_ignore_ascii_case("main"),
            "id" => self.id = anchor(value),
            "name" => self.name_value = anchor(value),
            _ => self.is_open = true,
        }
    }

    /// Whether the element and its content are not shown.
    pub(super) fn is_hidden(&self) -> bool {
        self.is_invisible
            || self.display == Some(Display::None)
            // An explicit `display` outweighs the attribute.
            || (self.has_hidden && self.display.is_none())
    }

    /// The name by which links lead to an element, if it has one.
    pub(super) fn anchor(&self, element: &str) -> Option<&str> {
        let name = self.name_value.as_deref().filter(|_| element == "a");
        self.id.as_deref().or(name)
    }

    /// The `display` that the element declares.
    pub(super) fn display(&self) -> Option<Display> {
        self.display
    }

    fn read_style(&mut self, style: &str) {
        let (mut display_is_important, mut visibility_is_important) = (false, false);
        for (property, value) in style.split(';').filter_map(|declaration| declaration.split_once(':')) {
            let value = value.trim().to_ascii_lowercase();
            let (value, is_important) = match value.split_once('!') {
                Some((value, _)) => (value.trim_end(), true),
                None => (value.as_str(), false),
            };
            let property = property.trim();
            if property.eq_ignore_ascii_case("display") && (is_important || !display_is_important) {
                display_is_important = is_important;
                self.display = Some(display_of(value));
            } else if property.eq_ignore_ascii_case("visibility")
                && (is_important || !visibility_is_important)
            {
                visibility_is_important = is_important;
                self.is_invisible = matches!(value, "hidden" | "collapse");
            }
        }
    }
}

/// A value as the name that links lead to, if it can be one.
fn anchor(value: &str) -> Option<String> {
    let is_name = !value.is_empty()
        && value.len() <= ChunkPlace::MAX_ANCHOR_BYTES
        && !value.contains(|character: char| character.is_whitespace() || character.is_control());
    is_name.then(|| value.to_owned())
}

fn display_of(value: &str) -> Display {
    match value {
        "none" => Display::None,
        "block" | "flex" | "grid" | "table" | "list-item" | "flow-root" => Display::Block,
        "inline-block" | "inline-flex" | "inline-grid" | "inline-table" => Display::InlineBlock,
        _ => Display::Other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_hidden(name: &str, value: &str) -> bool {
        let mut attributes = Attributes::default();
        attributes.set(name, value);
        attributes.is_hidden()
    }

    #[test]
    fn hidden_elements_are_those_that_a_browser_hides() {
        for value in [
            "display:none",
            " color: red; DISPLAY : None !important ; display: block",
            "visibility:hidden",
            "display:block;display:none",
            "visibility: collapse",
        ] {
            assert!(is_hidden("style", value), "{value}");
        }
        for value in ["display:none;display:block", "x-display:none", "content:'display:none'", "opacity:1"] {
            assert!(!is_hidden("style", value), "{value}");
        }
        assert!(is_hidden("hidden", "") && is_hidden("hidden", "false"));
        assert!(!is_hidden("hidden", "until-found"));
    }
}
