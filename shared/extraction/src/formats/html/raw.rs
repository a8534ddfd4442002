//! Elements whose content is not markup: `script`, `style`, `title` and others.

/// An element whose content ends only at its own end tag.
#[derive(Debug)]
pub(super) struct Raw {
    pub(super) name: &'static str,
    /// Whether its content is text with character references, as in `title`.
    pub(super) is_text: bool,
    pub(super) script: ScriptEscape,
}

/// A script may contain `<!-- <script> </script> -->` without ending there.
#[derive(Debug, Default)]
pub(super) struct ScriptEscape {
    is_escaped: bool,
    pub(super) is_double: bool,
    tail: [u8; 9],
}

impl Raw {
    pub(super) fn of(name: &str) -> Option<Self> {
        const DROPPED: [&str; 6] = ["script", "style", "xmp", "iframe", "noembed", "noframes"];
        const TEXT: [&str; 2] = ["title", "textarea"];
        let find = |names: &[&'static str]| names.iter().find(|known| **known == name).copied();
        let (name, is_text) = match (find(&DROPPED), find(&TEXT)) {
            (Some(name), _) => (name, false),
            (None, Some(name)) => (name, true),
            (None, None) => return None,
        };
        Some(Self { name, is_text, script: ScriptEscape::default() })
    }
}

impl ScriptEscape {
    pub(super) fn read(&mut self, text: &str) {
        for byte in text.bytes() {
            let ends_name = matches!(byte, b'\t' | b'\n' | b'\r' | 0x0C | b' ' | b'/' | b'>');
            if self.is_escaped && ends_name {
                if self.tail.ends_with(b"</script") {
                    self.is_double = false;
                } else if self.tail.ends_with(b"<script") {
                    self.is_double = true;
                }
            }
            self.tail.rotate_left(1);
            self.tail[8] = byte.to_ascii_lowercase();
            if self.tail.ends_with(b"<!--") {
                self.is_escaped = true;
            } else if self.tail.ends_with(b"-->") {
                *self = Self { tail: self.tail, ..Self::default() };
            }
        }
    }
}
