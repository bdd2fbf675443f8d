//! What the CPU engine does.

use rayon::prelude::*;

use super::{WindowAttentionOptions, Windows};
use crate::ops::flex::Map;

/// What is added to scores of pixels that are no neighbours.
const FAR: f32 = -100.0;

/// What the CPU engine does for [`window_attention()`](super::window_attention()): the values of one map. `qkv` is
/// `[3 · C, H, W]`, `bias` is `[positions², heads]`; scores are multiplied by `scale`.
pub fn attend(
    qkv: &Map<'_>,
    bias: &[f32],
    options: WindowAttentionOptions,
    scale: f32,
) -> Vec<f32> {
    let [all, height, width] = qkv.shape;
    let channels = all / 3;
    let depth = channels / options.heads;
    let across = width / options.window;
    let windows: Vec<Window> = (0..height / options.window * across)
        .map(|index| Window::new([index / across, index % across], [height, width], options))
        .collect();
    let parts = (0..windows.len() * options.heads).into_par_iter();
    let made: Vec<Vec<f32>> = parts
        .map(|part| {
            let (window, head) = (&windows[part / options.heads], part % options.heads);
            let first = [0, 1, 2].map(|kind| kind * channels + head * depth);
            window.attend(qkv, first, depth, scale, |query, key| {
                let row = options.bias_row(window.queries[query].place, window.keys[key].place);
                bias[row * options.heads + head]
            })
        })
        .collect();
    let mut values = vec![0.0; channels * height * width];
    for (part, made) in made.iter().enumerate() {
        let (window, head) = (&windows[part / options.heads], part % options.heads);
        for (query, made) in window.queries.iter().zip(made.chunks_exact(depth)) {
            let cell = query.cell.expect("queries lie on the map");
            for (channel, value) in made.iter().enumerate() {
                values[(head * depth + channel) * height * width + cell] = *value;
            }
        }
    }
    values
}

/// A pixel of a window.
struct Pixel {
    /// Row and column in the window.
    place: [usize; 2],
    /// The cell of the map; none off it.
    cell: Option<usize>,
    /// Those of different zones are no neighbours.
    zone: [usize; 2],
}

/// The pixels of a window, row by row.
struct Window {
    queries: Vec<Pixel>,
    keys: Vec<Pixel>,
}

impl Window {
    /// The window at a row and column of windows.
    fn new(at: [usize; 2], size: [usize; 2], options: WindowAttentionOptions) -> Self {
        let (window, key_window) = (options.window, options.key_window());
        let margin = (key_window - window) / 2;
        let pixels = |side: usize, margin: usize| {
            let pixel = move |index: usize| {
                let place = [index / side, index % side];
                let shifted = [0, 1].map(|axis| {
                    let place = (at[axis] * window + place[axis]).checked_sub(margin);
                    place.filter(|place| *place < size[axis])
                });
                Pixel {
                    place,
                    cell: cell(shifted, size, options.windows),
                    zone: [0, 1].map(|axis| zone(shifted[axis], size[axis], options)),
                }
            };
            (0..side * side).map(pixel).collect()
        };
        Self {
            queries: pixels(window, 0),
            keys: pixels(key_window, margin),
        }
    }

    /// A head's sums, query by query: its channels begin at `first` of queries, keys and values.
    fn attend(
        &self,
        qkv: &Map<'_>,
        first: [usize; 3],
        depth: usize,
        scale: f32,
        bias: impl Fn(usize, usize) -> f32,
    ) -> Vec<f32> {
        let value = |channel: usize, pixel: &Pixel| match pixel.cell {
            Some(cell) => qkv.at(channel, cell),
            None => 0.0,
        };
        let count = self.keys.len();
        // By channels, so that a query's scores lie side by side.
        let keys: Vec<f32> = (0..depth)
            .flat_map(|channel| self.keys.iter().map(move |key| (first[1] + channel, key)))
            .map(|(channel, key)| value(channel, key))
            .collect();
        let values: Vec<f32> = self
            .keys
            .iter()
            .flat_map(|key| (0..depth).map(move |channel| (first[2] + channel, key)))
            .map(|(channel, key)| value(channel, key))
            .collect();
        let mut made = vec![0.0; self.queries.len() * depth];
        let mut scores = vec![0.0; count];
        for (index, (query, made)) in self
            .queries
            .iter()
            .zip(made.chunks_exact_mut(depth))
            .enumerate()
        {
            scores.fill(0.0);
            for (channel, keys) in keys.chunks_exact(count).enumerate() {
                let own = value(first[0] + channel, query) * scale;
                let pairs = scores.iter_mut().zip(keys);
                pairs.for_each(|(score, key)| *score += own * key);
            }
            for (key, score) in scores.iter_mut().enumerate() {
                *score += bias(index, key);
                if self.keys[key].zone != query.zone {
                    *score += FAR;
                }
            }
            let peak = scores.iter().copied().fold(f32::NEG_INFINITY, f32::max);
            for score in &mut scores {
                *score = (*score - peak).exp();
            }
            let total: f32 = scores.iter().sum();
            for (score, values) in scores.iter().zip(values.chunks_exact(depth)) {
                let share = score / total;
                let pairs = made.iter_mut().zip(values);
                pairs.for_each(|(made, value)| *made += share * value);
            }
        }
        made
    }
}

/// The cell of the map at a place among shifted windows.
fn cell(place: [Option<usize>; 2], size: [usize; 2], windows: Windows) -> Option<usize> {
    let shift = match windows {
        Windows::Shifted(shift) => shift,
        Windows::Overlapping(_) => 0,
    };
    let [y, x] = [place[0]?, place[1]?];
    Some((y + shift) % size[0] * size[1] + (x + shift) % size[1])
}

/// Along an axis of shifted windows: 0 before the last window, which holds pixels from both edges of the map, 1 and
/// 2.
fn zone(place: Option<usize>, extent: usize, options: WindowAttentionOptions) -> usize {
    match (options.windows, place) {
        (Windows::Shifted(shift @ 1..), Some(place)) => {
            usize::from(place >= extent - options.window) + usize::from(place >= extent - shift)
        }
        _ => 0,
    }
}
