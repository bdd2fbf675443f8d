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
    let cells = qkv.cells();
    let parts = parts(qkv, bias, options, scale);
    let made: Vec<Vec<f32>> = parts.par_iter().map(|part| part.attend(qkv)).collect();
    let mut values = vec![0.0; qkv.values.len() / 3];
    for (part, made) in parts.iter().zip(made) {
        for (query, made) in part.window.queries.iter().zip(made.chunks(part.depth)) {
            let cell = query.cell.expect("queries lie on the map");
            for (channel, value) in (part.first[0]..).zip(made) {
                values[channel * cells + cell] = *value;
            }
        }
    }
    values
}

/// All heads of all windows.
pub(super) fn parts<'a>(
    qkv: &Map<'_>,
    bias: &'a [f32],
    options: WindowAttentionOptions,
    scale: f32,
) -> Vec<Part<'a>> {
    let [all, height, width] = qkv.shape;
    let channels = all / 3;
    let depth = channels / options.heads;
    let [down, across] = [height, width].map(|side| side / options.window);
    let windows = (0..down).flat_map(|y| (0..across).map(move |x| [y, x]));
    let parts = windows.flat_map(|at| (0..options.heads).map(move |head| (at, head)));
    parts
        .map(|(at, head)| Part {
            window: Window::new(at, [height, width], options),
            head,
            first: [0, 1, 2].map(|kind| kind * channels + head * depth),
            depth,
            bias,
            options,
            scale,
        })
        .collect()
}

/// A head of a window.
pub(super) struct Part<'a> {
    pub window: Window,
    pub head: usize,
    /// Of its channels, the first of queries, keys and values.
    pub first: [usize; 3],
    /// How many channels each has.
    pub depth: usize,
    bias: &'a [f32],
    options: WindowAttentionOptions,
    scale: f32,
}

impl Part<'_> {
    /// A kind's values, `[pixel][channel]`.
    pub fn values(&self, map: &Map<'_>, first: usize, pixels: &[Pixel]) -> Vec<f32> {
        let channels = first..first + self.depth;
        let each = pixels.iter().flat_map(|pixel| {
            channels
                .clone()
                .map(move |channel| pixel.value(map, channel))
        });
        each.collect()
    }

    /// The same as `[channel][pixel]`.
    pub fn values_by_channel(&self, map: &Map<'_>, first: usize, pixels: &[Pixel]) -> Vec<f32> {
        let channels = first..first + self.depth;
        let each =
            channels.flat_map(|channel| pixels.iter().map(move |pixel| pixel.value(map, channel)));
        each.collect()
    }

    /// Where in the biases that of a query and a key lies.
    pub fn bias_place(&self, query: &Pixel, key: &Pixel) -> usize {
        self.options.bias_row(query.place, key.place) * self.options.heads + self.head
    }

    /// The weight of each key to each query, `[query][key]`: those of a query sum to 1.
    pub fn weights(&self, qkv: &Map<'_>) -> Vec<f32> {
        let Window { queries, keys } = &self.window;
        let by_query = self.values(qkv, self.first[0], queries);
        let by_channel = self.values_by_channel(qkv, self.first[1], keys);
        let mut weights = vec![0.0; queries.len() * keys.len()];
        let rows = weights.chunks_mut(keys.len());
        for ((query, own), scores) in queries.iter().zip(by_query.chunks(self.depth)).zip(rows) {
            for (own, keys) in own.iter().zip(by_channel.chunks(keys.len())) {
                add_multiple(scores, own * self.scale, keys);
            }
            for (key, score) in keys.iter().zip(&mut *scores) {
                *score += self.bias[self.bias_place(query, key)];
                if key.zone != query.zone {
                    *score += FAR;
                }
            }
            let peak = scores.iter().copied().fold(f32::NEG_INFINITY, f32::max);
            let exponentials = scores.iter_mut();
            exponentials.for_each(|score| *score = (*score - peak).exp());
            let total: f32 = scores.iter().sum();
            scores.iter_mut().for_each(|score| *score /= total);
        }
        weights
    }

    /// What the queries see, `[query][channel]`.
    fn attend(&self, qkv: &Map<'_>) -> Vec<f32> {
        let Window { queries, keys } = &self.window;
        let values = self.values(qkv, self.first[2], keys);
        let weights = self.weights(qkv);
        let mut made = vec![0.0; queries.len() * self.depth];
        for (made, weights) in made.chunks_mut(self.depth).zip(weights.chunks(keys.len())) {
            for (weight, values) in weights.iter().zip(values.chunks(self.depth)) {
                add_multiple(made, *weight, values);
            }
        }
        made
    }
}

/// Add so many times some values to others.
pub(super) fn add_multiple(sums: &mut [f32], factor: f32, values: &[f32]) {
    for (sum, value) in sums.iter_mut().zip(values) {
        *sum += factor * value;
    }
}

/// A pixel of a window.
pub(super) struct Pixel {
    /// Row and column in the window.
    place: [usize; 2],
    /// The cell of the map; none off it.
    pub cell: Option<usize>,
    /// Those of different zones are no neighbours.
    zone: [usize; 2],
}

impl Pixel {
    fn value(&self, map: &Map<'_>, channel: usize) -> f32 {
        self.cell.map_or(0.0, |cell| map.at(channel, cell))
    }
}

/// The pixels of a window, row by row.
pub(super) struct Window {
    pub queries: Vec<Pixel>,
    pub keys: Vec<Pixel>,
}

impl Window {
    /// The window at a row and column of windows.
    fn new(at: [usize; 2], size: [usize; 2], options: WindowAttentionOptions) -> Self {
        let (window, key_window) = (options.window, options.key_window());
        let pixels = |side: usize, margin: usize| {
            let pixel = |index: usize| {
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
            keys: pixels(key_window, (key_window - window) / 2),
        }
    }
}

/// The cell of the map at a place among shifted windows.
fn cell(place: [Option<usize>; 2], size: [usize; 2], windows: Windows) -> Option<usize> {
    let [y, x] = [place[0]?, place[1]?];
    let shift = windows.shift();
    Some((y + shift) % size[0] * size[1] + (x + shift) % size[1])
}

/// Along an axis of shifted windows: 0 before the last window, which holds pixels from both edges of the map, 1 and
/// 2.
fn zone(place: Option<usize>, extent: usize, options: WindowAttentionOptions) -> usize {
    match (options.windows.shift(), place) {
        (shift @ 1.., Some(place)) => {
            usize::from(place >= extent - options.window) + usize::from(place >= extent - shift)
        }
        _ => 0,
    }
}
