//! Colours, and how far apart they are.

use rand::RngExt;
use rand_pcg::Pcg64Mcg;
use tiny_skia::Color;

/// Any colour: mostly a saturated one, at times grey.
pub(super) fn random(rng: &mut Pcg64Mcg) -> Color {
    let saturation = match rng.random_bool(0.15) {
        true => 0.0,
        false => rng.random_range(0.25..1.0),
    };
    let value = rng.random_range(0.08..1.0_f32).sqrt();
    from_hsv(rng.random_range(0.0..6.0), saturation, value)
}

/// `hue` from 0 to 6, the rest from 0 to 1.
pub(super) fn from_hsv(hue: f32, saturation: f32, value: f32) -> Color {
    let channel = |offset: f32| {
        let k = (offset + hue) % 6.0;
        value * (1.0 - saturation * k.min(4.0 - k).clamp(0.0, 1.0))
    };
    rgb([channel(5.0), channel(3.0), channel(1.0)])
}

/// Red, green and blue, 0 to 1; what lies beyond is cut.
pub(super) fn rgb(channels: [f32; 3]) -> Color {
    let [red, green, blue] = channels.map(|value| value.clamp(0.0, 1.0));
    Color::from_rgba(red, green, blue, 1.0).unwrap_or(Color::BLACK)
}

/// A share of `b` in `a`.
pub(super) fn mix(a: Color, b: Color, share: f32) -> Color {
    rgb([
        a.red() + (b.red() - a.red()) * share,
        a.green() + (b.green() - a.green()) * share,
        a.blue() + (b.blue() - a.blue()) * share,
    ])
}

/// A colour that is `contrast` or more from most of `others`, among those that `any` gives; the best
/// of some if none is.
pub(super) fn of_contrast(
    rng: &mut Pcg64Mcg,
    any: impl Fn(&mut Pcg64Mcg) -> Color,
    others: &[Color],
    contrast: f32,
) -> Color {
    const TRIES: usize = 24;
    let mut best = (f32::NEG_INFINITY, Color::BLACK);
    for _ in 0..TRIES {
        let colour = any(rng);
        let mut distances: Vec<f32> = others.iter().map(|&o| distance(o, colour)).collect();
        distances.sort_by(f32::total_cmp);
        let nearest = distances.get(others.len() / 8).copied().unwrap_or(f32::MAX);
        if nearest > best.0 {
            best = (nearest, colour);
        }
        if nearest >= contrast {
            break;
        }
    }
    best.1
}

/// Between two colours: brightness counts double, as cameras and eyes tell it best.
fn distance(a: Color, b: Color) -> f32 {
    let [red, green, blue] = [
        a.red() - b.red(),
        a.green() - b.green(),
        a.blue() - b.blue(),
    ];
    let brightness = 0.3 * red + 0.6 * green + 0.1 * blue;
    let colour = (red * red + green * green + blue * blue) / 3.0;
    (brightness * brightness * 2.0 / 3.0 + colour / 3.0).sqrt()
}
