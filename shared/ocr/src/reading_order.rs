//! From lines and their places to the text of a page.

use crate::rectangle::{Point, Rectangle};

/// A line of text.
#[derive(Debug, Clone)]
pub(crate) struct Line {
    pub(crate) area: Rectangle,
    pub(crate) text: String,
}

/// A line on the level page.
#[derive(Debug)]
struct Placed {
    left: f32,
    right: f32,
    top: f32,
    bottom: f32,
    text: String,
}

/// A vertical strip of so many line heights, without text, may separate columns.
const GUTTER: f32 = 0.8;

/// Lines that a column has at least.
const MIN_COLUMN_LINES: usize = 4;

/// The mean width of the lines of a column, in line heights; the cells of tables are narrower.
const MIN_COLUMN_WIDTH: f32 = 7.0;

/// A gap of so many line heights separates paragraphs. The rectangles of lines set normally touch.
const PARAGRAPH_GAP: f32 = 0.5;

/// A gap of so many line heights separates what is above from what is below, before columns are looked for.
const BAND_GAP: f32 = 0.9;

/// Gaps that are tried, the widest ones first: more would take long for pages of thousands of scattered words.
const MAX_GAPS: usize = 8;

/// Joins the lines of a page in reading order: columns from left to right, each from top to bottom, with a tab between
/// texts side by side and an empty line between paragraphs.
pub(crate) fn join(lines: Vec<Line>) -> String {
    let angle = median(lines.iter().filter(|line| !line.area.is_tall()).map(|line| line.area.angle()));
    let mut placed: Vec<Placed> = lines.into_iter().map(|line| place(line, -angle)).collect();
    placed.sort_by(|one, other| one.top.total_cmp(&other.top));
    let height = median(placed.iter().map(|line| line.bottom - line.top)).max(1.0);
    let mut text = String::new();
    append_area(placed, height, &mut text);
    if !text.is_empty() {
        text.push('\n');
    }
    text
}

fn median(values: impl Iterator<Item = f32>) -> f32 {
    let mut values: Vec<f32> = values.collect();
    values.sort_by(f32::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(0.0)
}

/// Turns the middle of a line around the corner of the page.
fn place(line: Line, angle: f32) -> Placed {
    let (sine, cosine) = angle.sin_cos();
    let center = line.area.center();
    let center = Point::new(center.x * cosine - center.y * sine, center.x * sine + center.y * cosine);
    let (width, height) = (line.area.width(), line.area.height());
    Placed {
        left: center.x - width / 2.0,
        right: center.x + width / 2.0,
        top: center.y - height / 2.0,
        bottom: center.y + height / 2.0,
        text: line.text,
    }
}

/// Appends an area, sorted from top to bottom: its columns one after the other, or else its bands, or else its rows.
fn append_area(lines: Vec<Placed>, height: f32, text: &mut String) {
    match split(lines, height, |line| (line.left, line.right), GUTTER, are_columns) {
        Ok((left, right)) => {
            append_area(left, height, text);
            append_area(right, height, text);
        }
        Err(lines) => match split(lines, height, |line| (line.top, line.bottom), BAND_GAP, |_, _, _| true) {
            Ok((above, below)) => {
                append_area(above, height, text);
                append_area(below, height, text);
            }
            Err(lines) => append_rows(lines, height, text),
        },
    }
}

/// Whether both sides of a gutter are columns of text, not of a table.
fn are_columns(left: &[Placed], right: &[Placed], height: f32) -> bool {
    [left, right].into_iter().all(|lines| {
        let width: f32 = lines.iter().map(|line| line.right - line.left).sum();
        lines.len() >= MIN_COLUMN_LINES && width >= MIN_COLUMN_WIDTH * height * lines.len() as f32
    })
}

type Halves = (Vec<Placed>, Vec<Placed>);

/// Divides the lines at their widest gap along an axis of at least `gap` line heights that `fits`.
fn split(
    lines: Vec<Placed>,
    height: f32,
    span: impl Fn(&Placed) -> (f32, f32),
    gap: f32,
    fits: impl Fn(&[Placed], &[Placed], f32) -> bool,
) -> Result<Halves, Vec<Placed>> {
    let mut spans: Vec<(f32, f32)> = lines.iter().map(&span).collect();
    spans.sort_by(|one, other| one.0.total_cmp(&other.0));
    let mut gaps = Vec::new();
    let mut end = spans.first().map_or(0.0, |first| first.1);
    for (start, its_end) in spans {
        if start - end >= gap * height {
            gaps.push((start - end, start));
        }
        end = end.max(its_end);
    }
    gaps.sort_by(|one, other| other.0.total_cmp(&one.0));
    gaps.truncate(MAX_GAPS);
    let mut lines = lines;
    for (_, start) in gaps {
        // Both keep their order.
        let (before, after): Halves = lines.into_iter().partition(|line| span(line).0 < start);
        if fits(&before, &after, height) {
            return Ok((before, after));
        }
        lines = before.into_iter().chain(after).collect();
        lines.sort_by(|one, other| one.top.total_cmp(&other.top));
    }
    Err(lines)
}

/// Appends lines that are one below the other, and those side by side on one line.
fn append_rows(lines: Vec<Placed>, height: f32, text: &mut String) {
    let mut rows: Vec<Vec<Placed>> = Vec::new();
    for line in lines {
        let middle = f32::midpoint(line.top, line.bottom);
        let is_beside = |row: &Vec<Placed>| {
            row.first().is_some_and(|first| {
                (f32::midpoint(first.top, first.bottom) - middle).abs() < 0.4 * (first.bottom - first.top)
            })
        };
        // Sorted by their tops, so only the last rows can match.
        match rows.iter_mut().rev().take(3).find(|row| is_beside(row)) {
            Some(row) => row.push(line),
            None => rows.push(vec![line]),
        }
    }
    let mut bottom = f32::MAX;
    for (index, mut row) in rows.into_iter().enumerate() {
        row.sort_by(|one, other| one.left.total_cmp(&other.left));
        let top = row.iter().map(|line| line.top).fold(f32::MAX, f32::min);
        let joined = row.iter().map(|line| line.text.as_str()).collect::<Vec<_>>().join("\t");
        if index == 0 && !text.is_empty() || top - bottom > PARAGRAPH_GAP * height {
            text.push_str("\n\n");
            text.push_str(&joined);
        } else {
            append_line(&joined, text);
        }
        bottom = row.iter().map(|line| line.bottom).fold(f32::MIN, f32::max);
    }
}

/// Appends the next line of a paragraph, and joins a word that is hyphenated at the end of the line before.
fn append_line(line: &str, text: &mut String) {
    let goes_on = line.starts_with(char::is_lowercase);
    let word = text.strip_suffix('-').filter(|word| word.ends_with(char::is_alphabetic));
    if let Some(length) = word.map(str::len).filter(|_| goes_on) {
        text.truncate(length);
    } else if !text.is_empty() {
        text.push('\n');
    }
    text.push_str(line);
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A level line of 20 pixels.
    fn line(x: f32, y: f32, text: &str) -> Line {
        let right = Point::new(text.len() as f32 * 10.0, 0.0);
        let area = Rectangle { corner: Point::new(x, y), right, down: Point::new(0.0, 20.0) };
        Line { area, text: text.to_owned() }
    }

    fn joined(lines: &[(f32, f32, &str)]) -> String {
        join(lines.iter().map(|(x, y, text)| line(*x, *y, text)).collect())
    }

    #[test]
    fn paragraphs_rows_and_hyphens() {
        assert_eq!(
            joined(&[
                (0.0, 100.0, "The second para-"),
                (0.0, 122.0, "graph, well-"),
                (0.0, 144.0, "Known"),
                (200.0, 1.0, "right"),
                (0.0, 0.0, "left"),
            ]),
            "left\tright\n\nThe second paragraph, well-\nKnown\n"
        );
        assert_eq!(join(Vec::new()), "");
    }

    #[test]
    fn columns_are_read_one_after_the_other_below_their_title() {
        let mut lines = vec![(100.0, 0.0, "A title above both of the columns".to_owned())];
        for row in 0..6 {
            let y = 60.0 + 22.0 * row as f32;
            lines.push((0.0, y, format!("left column line {row}")));
            lines.push((250.0, y + 3.0, format!("right column line {row}")));
        }
        let lines: Vec<_> = lines.iter().map(|(x, y, text)| (*x, *y, text.as_str())).collect();
        let text = joined(&lines);
        assert!(
            text.starts_with("A title above both of the columns\n\nleft column line 0\nleft column line 1\n"),
            "{text}"
        );
        assert!(text.contains("left column line 5\n\nright column line 0\n"), "{text}");
    }

    #[test]
    fn cells_of_a_table_stay_in_their_rows() {
        let mut lines = Vec::new();
        for row in 0..6 {
            let y = 22.0 * row as f32;
            lines.extend([(0.0, y, "cell"), (200.0, y, "12.5"), (400.0, y, "7")]);
        }
        assert_eq!(joined(&lines), "cell\t12.5\t7\n".repeat(6));
    }

    #[test]
    fn tilted_page_is_read_as_a_level_one() {
        let (sine, cosine) = 0.05_f32.sin_cos();
        let turn =
            |point: Point| Point::new(point.x * cosine - point.y * sine, point.x * sine + point.y * cosine);
        let lines = [(0.0, 0.0, "the first line"), (900.0, 0.0, "its end"), (0.0, 22.0, "the second line")];
        let tilted = lines.iter().map(|(x, y, text)| {
            let level = line(*x, *y, text);
            let Rectangle { corner, right, down } = level.area;
            Line { area: Rectangle { corner: turn(corner), right: turn(right), down: turn(down) }, ..level }
        });
        assert_eq!(join(tilted.collect()), "the first line\tits end\nthe second line\n");
    }
}
