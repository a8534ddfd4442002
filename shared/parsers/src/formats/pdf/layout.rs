//! The text of a page from its words and their places: lines, paragraphs and columns.
//!
//! The order of a page's content is that of reading for nearly all documents, so it is kept. Two things are mended:
//! lines that PDFium has joined, and columns whose lines were written across the page.

use super::text::Word;

/// Where a word is, in points from the lower left corner of the page.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Area {
    pub(super) left: f32,
    pub(super) right: f32,
    pub(super) bottom: f32,
    pub(super) top: f32,
}

/// A horizontal gap of so many line heights separates cells or columns. Words of justified text are closer.
const WIDE_GAP: f32 = 1.3;

/// A vertical gap of so many line heights separates paragraphs.
const PARAGRAPH_GAP: f32 = 0.6;

/// The width of the empty strip between columns, in points.
const GUTTER: f32 = 8.0;

/// Lines that a column has at least.
const MIN_COLUMN_LINES: usize = 4;

/// Words that the lines of a column have on average; the cells of tables have fewer.
const MIN_WORDS_PER_LINE: usize = 4;

impl Area {
    fn height(&self) -> f32 {
        self.top - self.bottom
    }

    fn width(&self) -> f32 {
        self.right - self.left
    }

    fn union(&self, other: &Self) -> Self {
        Self {
            left: self.left.min(other.left),
            right: self.right.max(other.right),
            bottom: self.bottom.min(other.bottom),
            top: self.top.max(other.top),
        }
    }

    /// Whether two words are on one line: superscripts are, lines that are set tightly are not.
    fn is_beside(&self, other: &Self) -> bool {
        let distance = f32::midpoint(self.bottom, self.top) - f32::midpoint(other.bottom, other.top);
        distance.abs() < 0.5 * self.height().max(other.height())
    }
}

/// Whether a word runs from bottom to top or top to bottom. Single letters are higher than wide, too.
fn is_vertical(word: &Word, area: &Area) -> bool {
    word.text.chars().nth(2).is_some() && area.height() > 2.0 * area.width()
}

/// Words of one line with small gaps between them.
struct Piece<'a> {
    words: &'a [Word],
    area: Option<Area>,
    /// Whether it is on the line of the piece before it.
    continues_line: bool,
}

/// Dots and lines between an entry of a table and its number.
fn is_leader(word: &Word) -> bool {
    word.text.chars().all(|character| matches!(character, '.' | '·' | '…' | '_'))
}

/// Joins the words of a page. `areas` has one entry for each word, which is `None` where it is not known.
pub(super) fn arrange(words: &[Word], areas: &[Option<Area>]) -> String {
    let mut pieces = pieces(words, areas);
    pieces.retain(|piece| !piece.continues_line || !piece.words.iter().all(is_leader));
    let (order, is_reordered) = match column_order(&pieces) {
        Some(order) => (order, true),
        None => ((0..pieces.len()).collect(), false),
    };
    let mut text = String::new();
    let mut before: Option<&Piece<'_>> = None;
    for piece in order.iter().map(|index| &pieces[*index]) {
        if let Some(before) = before {
            let is_hyphenated = before.words.last().is_some_and(|word| word.is_hyphenated);
            if piece.continues_line && !is_reordered {
                text.push('\t');
            } else if is_paragraph_break(before, piece) {
                text.push_str("\n\n");
            } else if !is_hyphenated {
                text.push('\n');
            }
        }
        for (index, word) in piece.words.iter().enumerate() {
            if index > 0 && is_leader(word) && is_leader(&piece.words[index - 1]) {
                continue;
            }
            let is_joined = index > 0 && piece.words[index - 1].is_hyphenated;
            if index > 0 && !is_joined {
                text.push(' ');
            }
            text.push_str(&word.text);
        }
        before = Some(piece);
    }
    if !text.is_empty() {
        text.push('\n');
    }
    text
}

fn pieces<'a>(words: &'a [Word], areas: &[Option<Area>]) -> Vec<Piece<'a>> {
    let mut pieces: Vec<Piece<'_>> = Vec::new();
    let mut start = 0;
    for index in 1..=words.len() {
        let area = areas.get(index).copied().flatten();
        let before = areas.get(index - 1).copied().flatten();
        let ends_piece = match (words.get(index), before, area) {
            (None, ..) => true,
            (Some(word), ..) if word.starts_line => true,
            (Some(word), Some(before), Some(area))
                if !is_vertical(&words[index - 1], &before) && !is_vertical(word, &area) =>
            {
                let gap = (area.left - before.right).max(before.left - area.right);
                !area.is_beside(&before) || gap > WIDE_GAP * before.height().max(area.height())
            }
            _ => false,
        };
        if ends_piece {
            let area = areas[start..index].iter().flatten().copied().reduce(|one, other| one.union(&other));
            let continues_line = start > 0 && !words[start].starts_line && !starts_line(areas, start);
            pieces.push(Piece { words: &words[start..index], area, continues_line });
            start = index;
        }
    }
    pieces
}

/// Whether the word at this position is on another line than the word before it.
fn starts_line(areas: &[Option<Area>], position: usize) -> bool {
    match (areas[position - 1], areas[position]) {
        (Some(before), Some(area)) => !area.is_beside(&before),
        _ => false,
    }
}

fn is_paragraph_break(before: &Piece<'_>, piece: &Piece<'_>) -> bool {
    match (&before.area, &piece.area) {
        (Some(before), Some(area)) => {
            let gap = before.bottom - area.top;
            gap > PARAGRAPH_GAP * before.height().max(area.height()) || gap < -2.0 * before.height()
        }
        _ => false,
    }
}

/// Returns the order of reading for a page whose columns were written line by line across the page; `None` if the
/// page has no columns, or has them in order.
fn column_order(pieces: &[Piece<'_>]) -> Option<Vec<usize>> {
    let page = pieces.iter().filter_map(|piece| piece.area).reduce(|one, other| one.union(&other))?;
    let is_narrow = |area: &Area| area.width() < 0.6 * page.width();
    let columns = columns(pieces, &page, &is_narrow)?;
    let column_of = |piece: &Piece<'_>| {
        let area = piece.area.filter(|area| is_narrow(area))?;
        let middle = f32::midpoint(area.left, area.right);
        columns.iter().position(|(left, right)| (*left..=*right).contains(&middle))
    };
    let assigned: Vec<Option<usize>> = pieces.iter().map(column_of).collect();
    for column in 0..columns.len() {
        let lines: Vec<&Piece<'_>> = pieces
            .iter()
            .zip(&assigned)
            .filter(|(_, of)| **of == Some(column))
            .map(|(piece, _)| piece)
            .collect();
        let word_count: usize = lines.iter().map(|piece| piece.words.len()).sum();
        if lines.len() < MIN_COLUMN_LINES || word_count < MIN_WORDS_PER_LINE * lines.len() {
            return None;
        }
    }
    let switches = assigned.windows(2).filter(|pair| matches!(pair, [Some(a), Some(b)] if a != b)).count();
    let smallest =
        (0..columns.len()).map(|column| assigned.iter().filter(|of| **of == Some(column)).count()).min()?;
    if switches <= smallest.max(MIN_COLUMN_LINES) {
        return None;
    }
    // What spans the columns stays between what is above and below it.
    let mut order = Vec::with_capacity(pieces.len());
    let mut band: Vec<(usize, usize)> = Vec::new();
    for (index, column) in assigned.iter().enumerate() {
        match column {
            Some(column) => band.push((*column, index)),
            None => {
                append_band(&mut band, &mut order);
                order.push(index);
            }
        }
    }
    append_band(&mut band, &mut order);
    Some(order)
}

fn append_band(band: &mut Vec<(usize, usize)>, order: &mut Vec<usize>) {
    // Stable: lines keep their order within a column.
    band.sort_by_key(|(column, _)| *column);
    order.extend(band.drain(..).map(|(_, index)| index));
}

/// Returns the left and right borders of the columns: what lies between strips that no narrow piece touches.
fn columns(pieces: &[Piece<'_>], page: &Area, is_narrow: &impl Fn(&Area) -> bool) -> Option<Vec<(f32, f32)>> {
    let mut spans: Vec<(f32, f32)> = pieces
        .iter()
        .filter_map(|piece| piece.area)
        .filter(is_narrow)
        .map(|area| (area.left, area.right))
        .collect();
    spans.sort_by(|one, other| one.0.total_cmp(&other.0));
    let mut columns: Vec<(f32, f32)> = Vec::new();
    for (left, right) in spans {
        match columns.last_mut() {
            Some(column) if left < column.1 + GUTTER => column.1 = column.1.max(right),
            _ => columns.push((left, right)),
        }
    }
    let are_wide = columns.iter().all(|(left, right)| right - left > page.width() / 6.0);
    (columns.len() > 1 && are_wide).then_some(columns)
}

#[cfg(test)]
mod tests;
