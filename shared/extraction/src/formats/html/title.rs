//! The title of a page.

/// Longer titles are truncated.
const MAX_BYTES: usize = 1024;

/// What was read of the title.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Title {
    Unseen,
    Open(String),
    Seen(String),
    /// Inside a second title, or one within an element that is not shown.
    Ignored(Option<String>),
}

impl Title {
    /// Starts a `title` element, which is ignored if the element around it is not shown.
    pub(super) fn begin(&mut self, is_shown: bool) {
        *self = match std::mem::replace(self, Self::Unseen) {
            Self::Unseen if is_shown => Self::Open(String::new()),
            Self::Unseen => Self::Ignored(None),
            Self::Open(text) | Self::Seen(text) => Self::Ignored(Some(text)),
            Self::Ignored(text) => Self::Ignored(text),
        };
    }

    /// Ends a `title` element and returns the title if it was the first.
    pub(super) fn end(&mut self) -> Option<&str> {
        *self = match std::mem::replace(self, Self::Unseen) {
            Self::Open(raw) => {
                *self = Self::Seen(raw.split_ascii_whitespace().collect::<Vec<_>>().join(" "));
                return match self {
                    Self::Seen(text) if !text.is_empty() => Some(text),
                    _ => None,
                };
            }
            Self::Ignored(Some(text)) => Self::Seen(text),
            Self::Ignored(None) => Self::Unseen,
            other => other,
        };
        None
    }

    /// Reads text; returns false outside `title` elements.
    pub(super) fn read(&mut self, text: &str) -> bool {
        match self {
            Self::Open(title) => {
                let room = MAX_BYTES.saturating_sub(title.len()).min(text.len());
                title.push_str(&text[..text.floor_char_boundary(room)]);
                true
            }
            Self::Ignored(_) => true,
            Self::Unseen | Self::Seen(_) => false,
        }
    }

    /// Returns the title if it is known and was not taken before.
    pub(super) fn take(&mut self) -> Option<String> {
        match self {
            Self::Seen(text) | Self::Ignored(Some(text)) if !text.is_empty() => Some(std::mem::take(text)),
            _ => None,
        }
    }
}
