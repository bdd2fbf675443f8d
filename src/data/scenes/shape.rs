//! The shapes that scenes are made of.

use std::f32::consts::{PI, TAU};

/// A closed line through points, in a frame where the shape fills the circle of radius 1.
pub(super) type Contour = Vec<[f32; 2]>;

/// Points of a full circle: at a radius of 200 pixels the polygon is within 0.1 pixels of it.
const CIRCLE_POINTS: usize = 96;

/// What a scene shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// A disc.
    Circle,
    /// Four equal sides, four right angles.
    Square,
    /// About equilateral.
    Triangle,
    /// Five points.
    Star,
    /// Six equal sides.
    Hexagon,
    /// A plus sign: four equal arms.
    Cross,
    /// A disc with a round hole.
    Ring,
    /// As on playing cards.
    Heart,
}

impl Shape {
    /// All shapes, in the order of their labels.
    pub const ALL: [Self; 8] = [
        Self::Circle,
        Self::Square,
        Self::Triangle,
        Self::Star,
        Self::Hexagon,
        Self::Cross,
        Self::Ring,
        Self::Heart,
    ];

    /// Its class name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Circle => "circle",
            Self::Square => "square",
            Self::Triangle => "triangle",
            Self::Star => "star",
            Self::Hexagon => "hexagon",
            Self::Cross => "cross",
            Self::Ring => "ring",
            Self::Heart => "heart",
        }
    }

    /// Its index into the class names, the background's being 0.
    pub fn label(self) -> usize {
        self as usize + 1
    }

    /// Its outline. `proportion`, 0 to 1, is what varies among shapes of a kind: how slim a star
    /// or a cross is, how wide a ring's hole.
    pub(super) fn contours(self, proportion: f32) -> Vec<Contour> {
        let between = |low: f32, high: f32| low + (high - low) * proportion;
        match self {
            Self::Circle => vec![polygon(CIRCLE_POINTS, 1.0)],
            Self::Square => vec![polygon(4, 1.0)],
            Self::Triangle => {
                let height = between(0.88, 1.12);
                vec![
                    polygon(3, 1.0)
                        .iter()
                        .map(|[x, y]| [*x, y * height])
                        .collect(),
                ]
            }
            Self::Star => {
                let inner = between(0.38, 0.5);
                let radius = |corner: usize| if corner.is_multiple_of(2) { 1.0 } else { inner };
                vec![(0..10).map(|i| on_circle(i, 10, radius(i))).collect()]
            }
            Self::Hexagon => vec![polygon(6, 1.0)],
            Self::Cross => vec![cross(between(0.24, 0.36))],
            Self::Ring => vec![
                polygon(CIRCLE_POINTS, 1.0),
                polygon(CIRCLE_POINTS, between(0.45, 0.62)),
            ],
            Self::Heart => vec![heart()],
        }
    }
}

/// Point `index` of `count` on a circle, the first at the top.
fn on_circle(index: usize, count: usize, radius: f32) -> [f32; 2] {
    let (sin, cos) = (TAU * index as f32 / count as f32).sin_cos();
    [radius * sin, -radius * cos]
}

fn polygon(corners: usize, radius: f32) -> Contour {
    (0..corners)
        .map(|i| on_circle(i, corners, radius))
        .collect()
}

/// Arms of half width `arm`.
fn cross(arm: f32) -> Contour {
    let quarter = [[-arm, -1.0], [arm, -1.0], [arm, -arm]];
    (0..4)
        .flat_map(|turn| {
            quarter.map(|[x, y]| match turn {
                0 => [x, y],
                1 => [-y, x],
                2 => [-x, -y],
                _ => [y, -x],
            })
        })
        .collect()
}

/// The heart curve x = 16 sin³ t, y = 13 cos t − 5 cos 2t − 2 cos 3t − cos 4t
/// (<https://mathworld.wolfram.com/HeartCurve.html>), centred.
fn heart() -> Contour {
    (0..CIRCLE_POINTS)
        .map(|i| {
            let t = PI - TAU * i as f32 / CIRCLE_POINTS as f32;
            let x = 16.0 * t.sin().powi(3);
            let y =
                13.0 * t.cos() - 5.0 * (2.0 * t).cos() - 2.0 * (3.0 * t).cos() - (4.0 * t).cos();
            [x / 16.5, -(y + 2.5) / 16.5]
        })
        .collect()
}
