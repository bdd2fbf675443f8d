//! Scenes that move.

use std::collections::BTreeMap;
use std::f32::consts::TAU;

use rand::{RngExt, SeedableRng};
use rand_pcg::Pcg64Mcg;
use tiny_skia::{Color, Pixmap, Shader};

use super::background;
use super::coverage::Coverage;
use super::figure::Figure;
use super::projection::Projection;
use super::scene::{LEAST_VISIBLE, colours_below, object, picture};
use super::shape::{Contour, Shape};
use super::style::{Colours, Fill, Style};
use crate::boxes::clip;
use crate::data::Example;

/// Size of the farthest object in pixels; the nearest is a share of the picture's short side.
const SMALLEST: f32 = 12.0;
const LARGEST_SHARE: f32 = 0.6;

/// One shape of each kind, on its way: each drifts, turns, and comes near and goes far again.
#[derive(Clone, Debug)]
pub struct Animation {
    background: Pixmap,
    movers: Vec<Mover>,
    held: BTreeMap<usize, Hold>,
}

/// Where a shape is held, and how large: it goes on turning there.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Hold {
    /// Its centre, x and y in pixels.
    pub centre: [f32; 2],
    /// Its diameter in pixels.
    pub size: f32,
}

/// An object and how it moves.
#[derive(Clone, Debug)]
struct Mover {
    shape: Shape,
    contours: Vec<Contour>,
    style: Style,
    colours: Colours,
    /// The axis of its tilt, and the direction of its shading, in radians.
    axis: f32,
    /// Of its way across, its way down, its nearness and its tilt.
    swings: [Swing; 4],
    /// Radians a second.
    turning: f32,
}

/// A value that goes to and fro between −1 and 1.
#[derive(Clone, Copy, Debug)]
struct Swing {
    /// Seconds.
    period: f32,
    /// Radians.
    phase: f32,
}

impl Hold {
    /// The same within reach of a picture whose longer side is that long.
    fn within(self, longer: f32) -> Self {
        // What is no number becomes 0.
        let within = |value: f32, least: f32| value.max(least).min(2.0 * longer);
        Self {
            centre: self.centre.map(|at| within(at, -2.0 * longer)),
            size: within(self.size, 0.0),
        }
    }
}

impl Swing {
    fn random(rng: &mut Pcg64Mcg) -> Self {
        Self {
            period: rng.random_range(8.0..20.0),
            phase: rng.random_range(0.0..TAU),
        }
    }

    fn at(self, seconds: f32) -> f32 {
        (TAU * seconds / self.period + self.phase).sin()
    }
}

impl Animation {
    /// The animation of a seed, `width` × `height` pixels (at least 64 each; less is taken as 64).
    pub fn new(seed: u64, width: u32, height: u32) -> Self {
        let mut rng = Pcg64Mcg::seed_from_u64(seed);
        let mut background = Pixmap::new(width.max(64), height.max(64))
            .expect("a picture small enough to be held in memory");
        background::paint(&mut background, &mut rng);
        let all = [
            0.0,
            0.0,
            background.width() as f32,
            background.height() as f32,
        ];
        let below = colours_below(&background, all);
        let movers = Shape::ALL
            .map(|shape| Mover::random(&mut rng, shape, &below))
            .to_vec();
        Self {
            background,
            movers,
            held: BTreeMap::new(),
        }
    }

    /// Shapes that are held somewhere from now on, by their labels; all others go their way. No shape is held farther
    /// out of the picture, nor larger, than twice the picture's longer side.
    pub fn hold(&mut self, held: BTreeMap<usize, Hold>) {
        self.held = held;
    }

    /// The picture at a time, and the objects in it. Far ones are drawn over near ones, so that they
    /// are seen; one that is hidden or gone beyond the border for more than a half is not listed.
    pub fn frame(&self, time_seconds: f32) -> Example {
        let mut canvas = self.background.clone();
        let size = [canvas.height() as usize, canvas.width() as usize];
        let mut coverage = Coverage::new(size);
        let [height, width] = size.map(|side| side as f32);
        let mut figures: Vec<_> = self
            .movers
            .iter()
            .filter_map(|mover| {
                let place = match self.held.get(&mover.shape.label()) {
                    Some(hold) => hold.within(height.max(width)),
                    None => mover.place(time_seconds, [height, width]),
                };
                let figure = mover.figure(time_seconds, place)?;
                Some((mover, figure, place.size))
            })
            .collect();
        figures.sort_by(|a, b| b.2.total_cmp(&a.2));
        figures.retain(|(mover, figure, _)| {
            mover.draw(&mut canvas, figure);
            coverage.lay(figure, 0.0)
        });
        let objects = figures
            .iter()
            .enumerate()
            .filter(|&(number, _)| coverage.visible(number) >= LEAST_VISIBLE)
            .map(|(_, (mover, figure, _))| {
                object(mover.shape, clip(figure.bounds, [height, width]))
            })
            .collect();
        Example {
            picture: picture(canvas),
            objects,
        }
    }
}

impl Mover {
    fn random(rng: &mut Pcg64Mcg, shape: Shape, below: &[Color]) -> Self {
        // Styles of a size in the middle: a pattern must do for all that the object goes through.
        let style = Style::random(rng, 64.0);
        Self {
            shape,
            contours: shape.contours(rng.random()),
            style,
            colours: Colours::random(rng, style, below, 0.3),
            axis: rng.random_range(0.0..TAU),
            swings: [(); 4].map(|()| Swing::random(rng)),
            turning: rng.random_range(-0.8..0.8),
        }
    }

    /// Where its way takes it. Its size changes by equal factors, not by equal steps.
    fn place(&self, seconds: f32, [height, width]: [f32; 2]) -> Hold {
        let [across, down, nearness, _] = self.swings.map(|swing| swing.at(seconds));
        let largest = LARGEST_SHARE * height.min(width);
        Hold {
            centre: [width * (0.5 + 0.36 * across), height * (0.5 + 0.36 * down)],
            size: SMALLEST * (largest / SMALLEST).powf(0.5 + 0.5 * nearness),
        }
    }

    fn figure(&self, seconds: f32, Hold { centre, size }: Hold) -> Option<Figure> {
        let tilt = self.swings[3].at(seconds);
        let projection = Projection::placed([0.0; 2], 1.0, self.turning * seconds)
            .then(Projection::tilted(self.axis, 0.5 * tilt))
            .then(Projection::placed(centre, size / 2.0, 0.0));
        let line_width = self.style.line_width / 64.0 * size;
        let filled = self.style.fill != Fill::None;
        Figure::new(&self.contours, projection, filled, line_width)
    }

    fn draw(&self, canvas: &mut Pixmap, figure: &Figure) {
        let interior = self
            .colours
            .interior(self.style.fill, figure.bounds, self.axis);
        figure.draw(canvas, interior, Shader::SolidColor(self.colours.line));
    }
}
