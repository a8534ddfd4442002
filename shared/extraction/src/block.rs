//! What extraction yields.

/// A part of a document, in reading order.
///
/// The document's text is the concatenation of its [`Block::Text`]s; chunk offsets are positions in
/// it. The other blocks mark a position in that text and add nothing to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Block<'a> {
    /// Text that continues the text before it.
    Text(&'a str),
    /// The following text is on this page. Text before the first mark is on page 0.
    Page {
        /// Position among the document's pages, from 0.
        index: u32,
    },
    /// The following text starts with a heading, and belongs to its section until the next heading of
    /// this level or above.
    Heading {
        /// 1 for the top level, 6 for the lowest.
        level: u8,
        /// The heading's text, which is part of the document's text too. At most 1 KiB; longer ones
        /// are truncated.
        text: &'a str,
        /// The fragment of a URL that leads to it, not encoded.
        anchor: Option<&'a str>,
    },
    /// The following text begins on this line of the document, and each line feed in it begins the next line. Comes
    /// before the text of formats that keep the document's lines, and where line feeds do not tell.
    Line {
        /// From 1.
        number: u32,
    },
    /// The title of the document, one line of at most 1 KiB. The first one counts.
    Title(&'a str),
}

/// A buffer of blocks, reused between calls of [`crate::Extractor::push`].
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Blocks {
    text: String,
    /// In the order of their positions.
    marks: Vec<Mark>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Mark {
    /// Byte position in `text`.
    position: usize,
    kind: MarkKind,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum MarkKind {
    Page { index: u32 },
    Heading { level: u8, text: String, anchor: Option<String> },
    Line { number: u32 },
    Title(String),
}

impl Blocks {
    /// The text of all blocks.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The blocks in reading order.
    pub fn iter(&self) -> impl Iterator<Item = Block<'_>> {
        let ends = self.marks.iter().map(|mark| mark.position).chain([self.text.len()]);
        let starts = [0].into_iter().chain(self.marks.iter().map(|mark| mark.position));
        let texts = starts.zip(ends).map(|(start, end)| &self.text[start..end]);
        let marks = self.marks.iter().map(Some).chain([None]);
        texts.zip(marks).flat_map(|(text, mark)| {
            let text = (!text.is_empty()).then_some(Block::Text(text));
            text.into_iter().chain(mark.map(Mark::block))
        })
    }

    /// Removes all blocks and keeps the memory.
    pub fn clear(&mut self) {
        self.text.clear();
        self.marks.clear();
    }

    pub(crate) fn push_text(&mut self, text: &str) {
        self.text.push_str(text);
    }

    pub(crate) fn push_page(&mut self, index: u32) {
        self.push_mark(MarkKind::Page { index });
    }

    pub(crate) fn push_heading(&mut self, level: u8, text: String, anchor: Option<String>) {
        self.push_mark(MarkKind::Heading { level, text, anchor });
    }

    pub(crate) fn push_line(&mut self, number: u32) {
        self.push_mark(MarkKind::Line { number });
    }

    pub(crate) fn push_title(&mut self, title: String) {
        self.push_mark(MarkKind::Title(title));
    }

    fn push_mark(&mut self, kind: MarkKind) {
        self.marks.push(Mark { position: self.text.len(), kind });
    }
}

impl Mark {
    fn block(&self) -> Block<'_> {
        match &self.kind {
            MarkKind::Page { index } => Block::Page { index: *index },
            MarkKind::Heading { level, text, anchor } => {
                Block::Heading { level: *level, text, anchor: anchor.as_deref() }
            }
            MarkKind::Line { number } => Block::Line { number: *number },
            MarkKind::Title(title) => Block::Title(title),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_divide_the_text_and_no_text_is_empty() {
        let mut blocks = Blocks::default();
        blocks.push_heading(1, "One".to_owned(), None);
        blocks.push_text("One");
        blocks.push_text("\ntext");
        blocks.push_page(1);
        blocks.push_page(2);
        let expected = [
            Block::Heading { level: 1, text: "One", anchor: None },
            Block::Text("One\ntext"),
            Block::Page { index: 1 },
            Block::Page { index: 2 },
        ];
        assert_eq!(blocks.iter().collect::<Vec<_>>(), expected);
        assert_eq!(blocks.text(), "One\ntext");
        blocks.clear();
        assert_eq!(blocks.iter().count(), 0);
    }
}
