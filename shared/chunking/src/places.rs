//! Where in the document chunks are: its title, the sections and pages that begin at offsets of the text.

use std::collections::VecDeque;

use domain::ChunkPlace;

/// Longer headings and titles are truncated.
const MAX_TEXT_BYTES: usize = 256;

/// Marks that no chunk has passed yet.
#[derive(Debug, Default)]
pub(crate) struct Places {
    title: Option<(u64, String)>,
    /// Offsets and pages; the first one is that of the latest chunk's start.
    pages: VecDeque<(u64, u32)>,
    sections: VecDeque<(u64, Section)>,
    /// The sections that the latest chunk is in, outermost first.
    open: Vec<Section>,
    /// The end of the latest chunk.
    covered: u64,
}

#[derive(Debug)]
struct Section {
    level: u8,
    heading: String,
    anchor: Option<String>,
}

impl Places {
    /// The text from `offset` on belongs to a document of this title. The first title counts.
    pub(crate) fn set_title(&mut self, offset: u64, title: &str) {
        let title = one_line(title);
        if self.title.is_none() && !title.is_empty() {
            self.title = Some((offset, title));
        }
    }

    /// The text from `offset` on is on this page, from 0.
    pub(crate) fn begin_page(&mut self, offset: u64, index: u32) {
        let number = index.saturating_add(1);
        match self.pages.back_mut() {
            Some((last, page)) if *last == offset => *page = number,
            _ => self.pages.push_back((offset, number)),
        }
    }

    /// The text from `offset` on belongs to this section, until the next one of its level or above.
    pub(crate) fn begin_section(&mut self, offset: u64, level: u8, heading: &str, anchor: Option<&str>) {
        let heading = one_line(heading);
        if !heading.is_empty() {
            let section = Section { level, heading, anchor: anchor.map(str::to_owned) };
            self.sections.push_back((offset, section));
        }
    }

    /// The place of the next chunk, `document[start..end]`, which is `text`. Forgets what is before it.
    pub(crate) fn place(&mut self, start: u64, end: u64, text: &str) -> ChunkPlace {
        // Overlap belongs to the section before: the first new text decides.
        let repeated = usize::try_from(self.covered.saturating_sub(start)).unwrap_or(usize::MAX);
        let new = text.get(repeated..).unwrap_or_default();
        let first_new = start + (text.len() - new.trim_start().len()) as u64;
        self.covered = end;
        let mut reached = first_new;
        while let Some((offset, section)) = self.sections.pop_front_if(|(offset, _)| *offset <= reached) {
            // Headings with nothing between them begin the text of the last one.
            if let Some((next, _)) = self.sections.front()
                && offset >= first_new
                && is_only(text, (offset - start, *next - start), &section.heading)
            {
                reached = *next;
            }
            self.open.retain(|open| open.level < section.level);
            self.open.push(section);
        }
        while self.pages.get(1).is_some_and(|(offset, _)| *offset <= start) {
            self.pages.pop_front();
        }
        let first = self.pages.front().filter(|(offset, _)| *offset <= start);
        let last = self.pages.iter().take_while(|(offset, _)| *offset < end).last();
        ChunkPlace {
            title: self.title.as_ref().filter(|(offset, _)| *offset < end).map(|(_, title)| title.clone()),
            anchor: self.open.iter().rev().find_map(|section| section.anchor.clone()),
            section_path: self.open.iter().map(|section| section.heading.clone()).collect(),
            first_page: first.map(|(_, page)| *page),
            last_page: first.and(last).map(|(_, page)| *page),
            ..ChunkPlace::default()
        }
    }
}

/// Whether this part of a text is a heading and nothing else, apart from marks.
fn is_only(text: &str, (from, until): (u64, u64), heading: &str) -> bool {
    let at = |offset: u64| usize::try_from(offset).unwrap_or(usize::MAX);
    let part = text.get(at(from)..at(until)).unwrap_or_default();
    let letters = part.chars().filter(|character| character.is_alphanumeric());
    letters.eq(heading.chars().filter(|character| character.is_alphanumeric()))
}

fn one_line(text: &str) -> String {
    let mut line = String::new();
    for word in text.split_whitespace() {
        if !line.is_empty() {
            line.push(' ');
        }
        line.push_str(word);
        if line.len() > MAX_TEXT_BYTES {
            break;
        }
    }
    line.truncate(line.floor_char_boundary(MAX_TEXT_BYTES));
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(place: &ChunkPlace) -> Vec<&str> {
        place.section_path.iter().map(String::as_str).collect()
    }

    #[test]
    fn chunks_are_in_the_section_of_their_first_new_text() {
        let text = "intro text Part one A deep B";
        let mut places = Places::default();
        for (heading, level) in [("Part one", 1), ("A deep", 3), ("B", 2)] {
            places.begin_section(text.find(heading).unwrap() as u64, level, heading, None);
        }
        let mut place = |start: usize, end: usize| places.place(start as u64, end as u64, &text[start..end]);
        assert_eq!(path(&place(0, 10)), [""; 0]);
        // Repeats "text" of the section before.
        assert_eq!(path(&place(6, 19)), ["Part one"]);
        assert_eq!(path(&place(20, 26)), ["Part one", "A deep"]);
        assert_eq!(path(&place(22, 28)), ["Part one", "B"]);
    }

    #[test]
    fn headings_in_a_row_are_one_start() {
        let text = "# One\n\n## Two\n\n### Three\n\ntext\n\n## Four\n\ntext";
        let mut places = Places::default();
        for (level, heading) in [(1, "One"), (2, "Two"), (3, "Three"), (2, "Four")] {
            let mark = text.find(&format!("{} {heading}", "#".repeat(level.into()))).unwrap();
            places.begin_section(mark as u64, level, heading, None);
        }
        assert_eq!(path(&places.place(0, text.len() as u64, text)), ["One", "Two", "Three"]);
    }

    #[test]
    fn anchor_is_that_of_the_innermost_section_that_has_one() {
        let text = "One Two Three Four";
        let mut places = Places::default();
        let sections =
            [("One", 1, Some("one")), ("Two", 2, Some("two")), ("Three", 3, None), ("Four", 2, None)];
        for (heading, level, anchor) in sections {
            places.begin_section(text.find(heading).unwrap() as u64, level, heading, anchor);
        }
        let mut anchor = |start: usize, end: usize| {
            places.place(start as u64, end as u64, &text[start..end]).anchor.unwrap()
        };
        assert_eq!([anchor(0, 3), anchor(4, 7), anchor(8, 13), anchor(14, 18)], ["one", "two", "two", "one"]);
    }

    #[test]
    fn chunks_have_their_first_and_last_page() {
        let text = "a".repeat(100);
        let mut places = Places::default();
        for (offset, page) in [(0, 0), (0, 1), (10, 2), (20, 3), (50, 4)] {
            places.begin_page(offset, page);
        }
        let mut pages = |start: usize, end: usize| {
            let place = places.place(start as u64, end as u64, &text[start..end]);
            (place.first_page, place.last_page)
        };
        assert_eq!(pages(0, 10), (Some(2), Some(2)));
        assert_eq!(pages(5, 21), (Some(2), Some(4)));
        assert_eq!(pages(20, 50), (Some(4), Some(4)));
        assert_eq!(pages(60, 61), (Some(5), Some(5)));
    }

    #[test]
    fn title_is_known_from_its_offset_on_and_is_one_line() {
        let mut places = Places::default();
        assert_eq!(places.place(0, 1, "a"), ChunkPlace::default());
        places.set_title(5, " A\n title ");
        places.set_title(6, "another");
        assert_eq!(places.place(2, 5, "abc").title, None);
        assert_eq!(places.place(3, 6, "abc").title.as_deref(), Some("A title"));
        places.begin_section(6, 1, &"word ".repeat(100), None);
        assert_eq!(places.place(6, 7, "a").section_path[0].len(), 256);
    }
}
