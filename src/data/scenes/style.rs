//! What a figure looks like: filled, outlined, shaded; and its colours.

use rand::RngExt;
use rand_pcg::Pcg64Mcg;
use tiny_skia::{Color, GradientStop, LinearGradient, Point, Shader, SpreadMode, Transform};

use super::colour::{mix, of_contrast, random};
use crate::boxes::BBox;

/// How the inside is drawn.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Fill {
    /// Not at all: an outline.
    None,
    /// In one colour.
    Plain,
    /// From a lighter to a darker tone.
    Shaded,
    /// In stripes of two tones.
    Hatched,
}

/// A figure's style.
#[derive(Clone, Copy, Debug)]
pub(super) struct Style {
    pub fill: Fill,
    /// Width of the line around it, in pixels; 0: none.
    pub line_width: f32,
}

impl Style {
    /// For a figure of `size` pixels: small ones are plain, for thin lines and patterns would not
    /// be told apart there.
    pub fn random(rng: &mut Pcg64Mcg, size: f32) -> Self {
        let line_width = (size * rng.random_range(0.035..0.08)).max(1.5);
        let kind: f32 = rng.random();
        let (fill, lined) = match size {
            ..24.0 if kind < 0.9 => (Fill::Plain, false),
            ..24.0 => (Fill::Shaded, false),
            _ if kind < 0.35 => (Fill::Plain, false),
            _ if kind < 0.5 => (Fill::Plain, true),
            _ if kind < 0.7 => (Fill::None, true),
            _ if kind < 0.92 => (Fill::Shaded, rng.random_bool(0.3)),
            ..48.0 => (Fill::Shaded, true),
            _ => (Fill::Hatched, rng.random_bool(0.6)),
        };
        Self {
            fill,
            line_width: if lined { line_width } else { 0.0 },
        }
    }

    /// As a pen draws on paper: mostly outlines.
    pub fn pen(rng: &mut Pcg64Mcg, size: f32) -> Self {
        let line_width = (size * rng.random_range(0.025..0.08)).clamp(1.5, 9.0);
        let fill = match rng.random::<f32>() {
            _ if size < 20.0 => Fill::Plain,
            0.0..0.6 => Fill::None,
            0.6..0.92 => Fill::Plain,
            _ => Fill::Shaded,
        };
        Self { fill, line_width }
    }
}

/// A figure's colours.
#[derive(Clone, Copy, Debug)]
pub(super) struct Colours {
    pub fill: Color,
    /// The other tone of a fill that has two.
    pub second: Color,
    pub line: Color,
}

impl Colours {
    /// Colours that stand out from those `below`, by `contrast` (0 to about 1).
    pub fn random(rng: &mut Pcg64Mcg, style: Style, below: &[Color], contrast: f32) -> Self {
        let fill = of_contrast(rng, random, below, contrast);
        let tone = if rng.random() {
            Color::WHITE
        } else {
            Color::BLACK
        };
        let second = mix(fill, tone, rng.random_range(0.2..0.45));
        let line = match style.fill {
            Fill::None => fill,
            _ => of_contrast(rng, random, &[fill], 0.4),
        };
        Self { fill, second, line }
    }

    /// The inside's colours for a figure within `bounds`; gradients run along `angle` (radians).
    pub fn interior(&self, fill: Fill, [x1, y1, x2, y2]: BBox, angle: f32) -> Shader<'static> {
        let (centre, radius) = (
            [(x1 + x2) / 2.0, (y1 + y2) / 2.0],
            (x2 - x1).max(y2 - y1) / 2.0,
        );
        match fill {
            Fill::None | Fill::Plain => Shader::SolidColor(self.fill),
            Fill::Shaded => along(centre, radius, angle, [self.fill, self.second]),
            Fill::Hatched => stripes(centre, radius / 3.0, angle, [self.fill, self.second], 0.6),
        }
    }
}

/// A gradient from one colour to the other, `radius` pixels to both sides of `centre`.
pub(super) fn along(
    centre: [f32; 2],
    radius: f32,
    angle: f32,
    [from, to]: [Color; 2],
) -> Shader<'static> {
    let stops = vec![GradientStop::new(0.0, from), GradientStop::new(1.0, to)];
    linear(centre, radius, angle, stops, SpreadMode::Pad).unwrap_or(Shader::SolidColor(from))
}

/// Stripes that repeat every `period` pixels; `share` of each is of the first colour.
pub(super) fn stripes(
    centre: [f32; 2],
    period: f32,
    angle: f32,
    [first, second]: [Color; 2],
    share: f32,
) -> Shader<'static> {
    // Hard edges would be jagged: a gradient's are not anti-aliased.
    let soft = (0.7 / period).min(0.2);
    let stops = vec![
        GradientStop::new(0.0, first),
        GradientStop::new(share - soft, first),
        GradientStop::new(share + soft, second),
        GradientStop::new(1.0 - 2.0 * soft, second),
        GradientStop::new(1.0, first),
    ];
    linear(centre, period / 2.0, angle, stops, SpreadMode::Repeat)
        .unwrap_or(Shader::SolidColor(first))
}

fn linear(
    [x, y]: [f32; 2],
    radius: f32,
    angle: f32,
    stops: Vec<GradientStop>,
    mode: SpreadMode,
) -> Option<Shader<'static>> {
    let (dy, dx) = angle.sin_cos();
    LinearGradient::new(
        Point::from_xy(x - radius * dx, y - radius * dy),
        Point::from_xy(x + radius * dx, y + radius * dy),
        stops,
        mode,
        Transform::identity(),
    )
}
