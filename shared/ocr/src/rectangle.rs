//! Rotated rectangles, and the smallest one around some points.

/// A point in pixels; y grows downwards.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Point {
    pub(crate) x: f32,
    pub(crate) y: f32,
}

impl Point {
    pub(crate) const fn new(x: f32, y: f32) -> Self {
        Self { x, y }
    }

    fn minus(self, other: Self) -> Self {
        Self::new(self.x - other.x, self.y - other.y)
    }

    pub(crate) fn plus(self, other: Self) -> Self {
        Self::new(self.x + other.x, self.y + other.y)
    }

    pub(crate) fn times(self, factor: f32) -> Self {
        Self::new(self.x * factor, self.y * factor)
    }

    fn dot(self, other: Self) -> f32 {
        self.x * other.x + self.y * other.y
    }

    fn cross(self, other: Self) -> f32 {
        self.x * other.y - self.y * other.x
    }

    pub(crate) fn length(self) -> f32 {
        // Not `hypot`, whose version in glibc 2.35 Amazon Linux 2023 does not have; pixels do not overflow.
        self.dot(self).sqrt()
    }
}

/// A rotated rectangle: a corner, and the sides from it. Its text runs along `right`, with `down` below it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Rectangle {
    pub(crate) corner: Point,
    pub(crate) right: Point,
    pub(crate) down: Point,
}

impl Rectangle {
    pub(crate) fn width(&self) -> f32 {
        self.right.length()
    }

    pub(crate) fn height(&self) -> f32 {
        self.down.length()
    }

    pub(crate) fn center(&self) -> Point {
        self.corner.plus(self.right.plus(self.down).times(0.5))
    }

    /// The angle of the text in radians, 0 for level text.
    pub(crate) fn angle(&self) -> f32 {
        self.right.y.atan2(self.right.x)
    }

    /// Whether its text most likely runs upwards or downwards.
    pub(crate) fn is_tall(&self) -> bool {
        self.height() > 1.5 * self.width()
    }

    /// Moves each side outwards.
    pub(crate) fn grow(&self, distance: f32) -> Self {
        let along = |side: Point| side.times(distance / side.length().max(f32::EPSILON));
        let (right, down) = (along(self.right), along(self.down));
        Self {
            corner: self.corner.minus(right).minus(down),
            right: self.right.plus(right.times(2.0)),
            down: self.down.plus(down.times(2.0)),
        }
    }

    /// Multiplies the coordinates.
    pub(crate) fn scale(&self, x: f32, y: f32) -> Self {
        let scale = |point: Point| Point::new(point.x * x, point.y * y);
        Self { corner: scale(self.corner), right: scale(self.right), down: scale(self.down) }
    }

    /// The same area for text that runs downwards.
    pub(crate) fn read_downwards(&self) -> Self {
        Self { corner: self.corner.plus(self.right), right: self.down, down: self.right.times(-1.0) }
    }

    /// The same area for text that is upside down.
    pub(crate) fn upside_down(&self) -> Self {
        Self {
            corner: self.corner.plus(self.right).plus(self.down),
            right: self.right.times(-1.0),
            down: self.down.times(-1.0),
        }
    }

    /// Whether the point is in it.
    pub(crate) fn contains(&self, point: Point) -> bool {
        let inside = |side: Point| {
            let along = point.minus(self.corner).dot(side);
            (0.0..=side.dot(side)).contains(&along)
        };
        inside(self.right) && inside(self.down)
    }

    /// The smallest and the largest coordinates.
    pub(crate) fn bounds(&self) -> (Point, Point) {
        let corners = [
            self.corner,
            self.corner.plus(self.right),
            self.corner.plus(self.down),
            self.corner.plus(self.right).plus(self.down),
        ];
        corners.iter().fold((corners[0], corners[0]), |(least, most), corner| {
            let least = Point::new(least.x.min(corner.x), least.y.min(corner.y));
            (least, Point::new(most.x.max(corner.x), most.y.max(corner.y)))
        })
    }
}

/// Returns the smallest rectangle around the points, with text along the side that is closer to level. `None` without
/// points.
pub(crate) fn smallest_around(points: &[Point]) -> Option<Rectangle> {
    let hull = convex_hull(points);
    let first = *hull.first()?;
    let directions = (0..hull.len())
        .map(|index| hull[(index + 1) % hull.len()].minus(hull[index]))
        .filter(|side| side.length() > 0.0)
        .map(|side| side.times(1.0 / side.length()));
    let around = |direction: Point| {
        // Of the four directions of the sides, the one that text has when it is level.
        let normal = Point::new(-direction.y, direction.x);
        let along = if direction.x.abs() >= normal.x.abs() { direction } else { normal };
        let along = if along.x < 0.0 { along.times(-1.0) } else { along };
        let across = Point::new(-along.y, along.x);
        let range = |axis: Point| {
            let values = hull.iter().map(|point| point.minus(first).dot(axis));
            values.fold((f32::MAX, f32::MIN), |(least, most), value| (least.min(value), most.max(value)))
        };
        let ((left, right), (top, bottom)) = (range(along), range(across));
        Rectangle {
            corner: first.plus(along.times(left)).plus(across.times(top)),
            right: along.times(right - left),
            down: across.times(bottom - top),
        }
    };
    let area = |rectangle: &Rectangle| rectangle.width() * rectangle.height();
    let found = directions.map(around).min_by(|one, other| area(one).total_cmp(&area(other)));
    // A single point has no side.
    found.or_else(|| Some(around(Point::new(1.0, 0.0))))
}

/// Andrew's monotone chain.
fn convex_hull(points: &[Point]) -> Vec<Point> {
    let mut sorted = points.to_vec();
    sorted.sort_by(|one, other| one.x.total_cmp(&other.x).then(one.y.total_cmp(&other.y)));
    sorted.dedup();
    if sorted.len() < 3 {
        return sorted;
    }
    let half = |points: &mut dyn Iterator<Item = Point>| {
        let mut chain: Vec<Point> = Vec::new();
        for point in points {
            while let [.., before, last] = chain.as_slice()
                && last.minus(*before).cross(point.minus(*last)) <= 0.0
            {
                chain.pop();
            }
            chain.push(point);
        }
        chain.pop();
        chain
    };
    let mut hull = half(&mut sorted.iter().copied());
    hull.extend(half(&mut sorted.iter().rev().copied()));
    hull
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn points(of: &[(f32, f32)]) -> Vec<Point> {
        of.iter().map(|(x, y)| Point::new(*x, *y)).collect()
    }

    #[test]
    fn level_rectangle_is_found() {
        let found =
            smallest_around(&points(&[(2.0, 1.0), (9.0, 1.0), (9.0, 4.0), (2.0, 4.0), (5.0, 2.0)])).unwrap();
        assert_eq!(
            (found.corner, found.right, found.down),
            (Point::new(2.0, 1.0), Point::new(7.0, 0.0), Point::new(0.0, 3.0))
        );
        assert!(
            !found.is_tall() && found.contains(Point::new(3.0, 3.5)) && !found.contains(Point::new(3.0, 4.5))
        );
        let grown = found.grow(1.0);
        assert_eq!((grown.corner, grown.width(), grown.height()), (Point::new(1.0, 0.0), 9.0, 5.0));
    }

    #[test]
    fn tilted_rectangle_keeps_its_angle_and_size() {
        let (sine, cosine) = 0.3_f32.sin_cos();
        let turned = |x: f32, y: f32| (100.0 + x * cosine - y * sine, 50.0 + x * sine + y * cosine);
        let corners = [turned(0.0, 0.0), turned(80.0, 0.0), turned(80.0, 10.0), turned(0.0, 10.0)];
        let found = smallest_around(&points(&corners)).unwrap();
        assert!((found.angle() - 0.3).abs() < 0.01, "{found:?}");
        assert!((found.width() - 80.0).abs() < 0.1 && (found.height() - 10.0).abs() < 0.1, "{found:?}");
    }

    #[test]
    fn few_points_have_a_rectangle_without_area() {
        assert_eq!(smallest_around(&[]), None);
        let one = smallest_around(&points(&[(3.0, 4.0), (3.0, 4.0)])).unwrap();
        assert_eq!((one.corner, one.width(), one.height()), (Point::new(3.0, 4.0), 0.0, 0.0));
        assert_eq!(smallest_around(&points(&[(0.0, 0.0), (4.0, 0.0)])).unwrap().width(), 4.0);
    }

    #[test]
    fn downwards_and_upside_down_start_at_other_corners() {
        let level = Rectangle {
            corner: Point::new(0.0, 0.0),
            right: Point::new(2.0, 0.0),
            down: Point::new(0.0, 8.0),
        };
        let downwards = level.read_downwards();
        assert_eq!((downwards.corner, downwards.width()), (Point::new(2.0, 0.0), 8.0));
        assert_eq!(level.upside_down().corner, Point::new(2.0, 8.0));
        assert_eq!(level.upside_down().upside_down(), level);
    }

    proptest! {
        #[test]
        fn every_point_is_inside(of in proptest::collection::vec((0.0_f32..500.0, 0.0_f32..500.0), 3..40)) {
            let found = smallest_around(&points(&of)).unwrap().grow(0.1);
            for (x, y) in of {
                prop_assert!(found.contains(Point::new(x, y)), "{found:?} lacks {x} {y}");
            }
        }
    }
}
