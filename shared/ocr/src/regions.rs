//! The connected regions of a bitmap.

use crate::rectangle::Point;

/// A bitmap, row by row.
pub(crate) struct Bitmap {
    pub(crate) width: usize,
    pub(crate) bits: Vec<bool>,
}

/// Regions that are looked at. The densest newspaper page has some hundreds of lines.
pub(crate) const MAX_REGIONS: usize = 3_000;

/// Returns the outline of each region of touching pixels: the first and last pixel of each of its rows, among which are
/// the corners of its convex hull. Regions are in the order of their first pixels.
pub(crate) fn outlines(mut bitmap: Bitmap) -> Vec<Vec<Point>> {
    let mut regions = Vec::new();
    if bitmap.width == 0 {
        return regions;
    }
    for start in 0..bitmap.bits.len() {
        if bitmap.bits[start] {
            regions.push(take_region(&mut bitmap, start));
            if regions.len() == MAX_REGIONS {
                break;
            }
        }
    }
    regions
}

/// Clears the region of this pixel, its first one, and returns its outline.
fn take_region(bitmap: &mut Bitmap, start: usize) -> Vec<Point> {
    let width = bitmap.width;
    let height = bitmap.bits.len() / width;
    let top = start / width;
    let mut rows: Vec<(usize, usize)> = Vec::new();
    let mut open = vec![start];
    bitmap.bits[start] = false;
    while let Some(pixel) = open.pop() {
        let (x, y) = (pixel % width, pixel / width);
        // No row of the region is above its first pixel.
        if rows.len() <= y - top {
            rows.resize(y - top + 1, (usize::MAX, 0));
        }
        let row = &mut rows[y - top];
        *row = (row.0.min(x), row.1.max(x));
        for y in y.saturating_sub(1)..=(y + 1).min(height - 1) {
            for x in x.saturating_sub(1)..=(x + 1).min(width - 1) {
                let neighbour = y * width + x;
                if std::mem::take(&mut bitmap.bits[neighbour]) {
                    open.push(neighbour);
                }
            }
        }
    }
    let mut outline = Vec::with_capacity(2 * rows.len());
    for (y, (first, last)) in rows.into_iter().enumerate() {
        let y = (top + y) as f32;
        outline.push(Point::new(first as f32, y));
        outline.push(Point::new(last as f32, y));
    }
    outline
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bitmap(rows: &[&str]) -> Bitmap {
        Bitmap { width: rows[0].len(), bits: rows.concat().bytes().map(|byte| byte == b'#').collect() }
    }

    fn shown(rows: &[&str]) -> Vec<Vec<(f32, f32)>> {
        let show = |outline: Vec<Point>| outline.into_iter().map(|point| (point.x, point.y)).collect();
        outlines(bitmap(rows)).into_iter().map(show).collect()
    }

    #[test]
    fn regions_touch_at_corners_too() {
        let found = shown(&["#...##", ".#....", "##...#"]);
        assert_eq!(
            found,
            [
                vec![(0.0, 0.0), (0.0, 0.0), (1.0, 1.0), (1.0, 1.0), (0.0, 2.0), (1.0, 2.0)],
                vec![(4.0, 0.0), (5.0, 0.0)],
                vec![(5.0, 2.0), (5.0, 2.0)],
            ]
        );
    }

    #[test]
    fn concave_regions_are_one_region() {
        let found = shown(&["#.#", "#.#", "###"]);
        assert_eq!(found, [vec![(0.0, 0.0), (2.0, 0.0), (0.0, 1.0), (2.0, 1.0), (0.0, 2.0), (2.0, 2.0)]]);
    }

    #[test]
    fn empty_and_noisy_bitmaps_end() {
        assert!(outlines(Bitmap { width: 0, bits: Vec::new() }).is_empty());
        let noise = Bitmap {
            width: 1000,
            bits: (0..1_000_000).map(|at| at % 2 == 0 && at / 1000 % 2 == 0).collect(),
        };
        assert_eq!(outlines(noise).len(), MAX_REGIONS);
    }
}
