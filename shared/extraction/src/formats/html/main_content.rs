//! Which part of a page is its content.
//!
//! If a page has a `main` element (or one with `role=main`) with at least a fifth of its text, that is its content.
//! Otherwise, its outermost `article` elements are, if they have at least half of its text: a list of teasers beside
//! the text is not preferred to it. The title and, without another, a first-level heading outside belong to the
//! content too; `nav`, `aside` and `footer` elements inside do not, as far as they have end tags.

use super::writer::Heading;

/// More parts than this are not distinguished.
const MAX_REGIONS: usize = 256;

/// The parts of a page that may be its content, by their positions in its visible text.
#[derive(Debug, Default)]
pub(super) struct Regions {
    title: Option<(usize, usize)>,
    main: Parts,
    articles: Parts,
    /// Only text inside `main` is wanted from now on.
    only_main: bool,
}

#[derive(Debug, Default)]
struct Parts {
    complete: Vec<(usize, usize)>,
    /// Index of the open element and the position where it began.
    open: Option<(usize, usize)>,
}

impl Parts {
    fn end(&mut self, index: usize, position: usize) {
        if let Some((_, start)) = self.open.take_if(|(open, _)| *open == index)
            && self.complete.len() < MAX_REGIONS
        {
            self.complete.push((start.min(position), position));
        }
    }

    /// The complete parts and the one that is open.
    fn all(&self, end: usize) -> Vec<(usize, usize)> {
        let open = self.open.map(|(_, start)| (start.min(end), end));
        self.complete.iter().copied().chain(open).collect()
    }
}

impl Regions {
    pub(super) fn begin(&mut self, name: &str, is_main: bool, index: usize, position: usize) {
        if (name == "main" || is_main) && self.main.open.is_none() {
            self.main.open = Some((index, position));
        } else if name == "article" && self.articles.open.is_none() {
            self.articles.open = Some((index, position));
        }
    }

    pub(super) fn end(&mut self, index: usize, position: usize) {
        self.main.end(index, position);
        self.articles.end(index, position);
    }

    /// Whether the text at this place may be the page's content.
    pub(super) fn is_inside(&self) -> bool {
        self.main.open.is_some() || self.articles.open.is_some()
    }

    pub(super) fn add_title(&mut self, start: usize, end: usize) {
        self.title = Some((start, end));
    }

    /// Whether text at this place is wanted.
    pub(super) fn is_wanted(&self) -> bool {
        !self.only_main || self.main.open.is_some()
    }

    /// Reduces the text so far to its content. With `is_whole`, no more text follows; otherwise, what follows
    /// is reduced in the same way.
    pub(super) fn choose(&mut self, is_whole: bool, text: &mut String, headings: &mut Vec<Heading>) {
        let (main, articles) = (self.main.all(text.len()), self.articles.all(text.len()));
        let length = |parts: &[(usize, usize)]| -> usize {
            parts.iter().map(|(start, end)| text[*start..*end].trim().len()).sum()
        };
        let main_length = length(&main);
        // More of it may follow.
        let is_open = !is_whole && self.main.open.is_some();
        let mut content = if main_length > 0 && (is_open || main_length * 5 >= text.trim().len()) {
            self.only_main = !is_whole;
            main
        } else if is_whole && length(&articles) * 2 >= text.trim().len() {
            articles
        } else {
            return;
        };
        let has_top_heading = headings
            .iter()
            .any(|heading| heading.level == 1 && content.iter().any(|part| is_inside(heading.start, *part)));
        if !has_top_heading {
            let top = headings.iter().find(|heading| heading.level == 1);
            content.extend(top.map(|heading| (heading.start, heading.end)));
        }
        content.extend(self.title);
        content.sort_unstable();
        keep(&content, text, headings);
    }
}

fn is_inside(position: usize, (start, end): (usize, usize)) -> bool {
    (start..end).contains(&position)
}

/// Reduces the text to these parts, as paragraphs.
fn keep(parts: &[(usize, usize)], text: &mut String, headings: &mut Vec<Heading>) {
    let (mut kept, mut kept_headings) = (String::new(), Vec::new());
    let mut covered = 0;
    let mut later = std::mem::take(headings).into_iter().peekable();
    for (start, end) in parts {
        // The title may be inside another part.
        let part = &text[(*start).max(covered).min(*end)..*end];
        covered = covered.max(*end);
        let shown = part.trim_start_matches(['\n', ' ', '\t']);
        if shown.is_empty() {
            continue;
        }
        if !kept.is_empty() {
            kept.push_str("\n\n");
        }
        let from = end - shown.len();
        while let Some(mut heading) = later.next_if(|heading| heading.start < *end) {
            if heading.start >= from {
                heading.start = heading.start - from + kept.len();
                heading.end = heading.end - from + kept.len();
                kept_headings.push(heading);
            }
        }
        kept.push_str(shown);
    }
    (*text, *headings) = (kept, kept_headings);
}
