//! What the CPU engine does for gradients.

use rayon::prelude::*;

use super::WindowAttentionOptions;
use super::attend::{Part, Pixel, Window, add_multiple, parts};
use crate::ops::flex::Map;

/// What the CPU engine does for the gradient of [`window_attention()`](super::window_attention()): of one map's
/// queries, keys and values, and of the biases, which it is added to. `gradient` is that of what was made,
/// `[C, H, W]`.
pub(super) fn learn(
    gradient: &Map<'_>,
    qkv: &Map<'_>,
    bias: &[f32],
    bias_gradient: &mut [f32],
    options: WindowAttentionOptions,
    scale: f32,
) -> Vec<f32> {
    let cells = qkv.cells();
    let parts = parts(qkv, bias, options, scale);
    let learnt: Vec<Learnt> = parts
        .par_iter()
        .map(|part| Learnt::of(part, gradient, qkv, scale))
        .collect();
    let mut values = vec![0.0; qkv.values.len()];
    for (part, learnt) in parts.iter().zip(learnt) {
        let Window { queries, keys } = &part.window;
        let kinds = [queries, keys, keys].into_iter().zip(learnt.kinds);
        for ((pixels, learnt), first) in kinds.zip(part.first) {
            for (pixel, learnt) in pixels.iter().zip(learnt.chunks(part.depth)) {
                let Some(cell) = pixel.cell else { continue };
                for (channel, value) in (first..).zip(learnt) {
                    values[channel * cells + cell] += value;
                }
            }
        }
        let pairs = queries
            .iter()
            .flat_map(|query| keys.iter().map(move |key| (query, key)));
        for ((query, key), score) in pairs.zip(learnt.scores) {
            bias_gradient[part.bias_place(query, key)] += score;
        }
    }
    values
}

/// Gradients of a head of a window.
struct Learnt {
    /// Of queries, keys and values, `[pixel][channel]` each.
    kinds: [Vec<f32>; 3],
    /// Of the scores, `[query][key]`.
    scores: Vec<f32>,
}

impl Learnt {
    fn of(part: &Part<'_>, gradient: &Map<'_>, qkv: &Map<'_>, scale: f32) -> Self {
        let Window { queries, keys } = &part.window;
        let values = |kind: usize, pixels: &[Pixel]| part.values(qkv, part.first[kind], pixels);
        let (by_query, by_key) = (values(0, queries), values(1, keys));
        let values_by_channel = part.values_by_channel(qkv, part.first[2], keys);
        let seen = part.values(gradient, part.first[0], queries);
        let weights = part.weights(qkv);
        let mut scores = vec![0.0; weights.len()];
        let mut kinds =
            [queries.len(), keys.len(), keys.len()].map(|pixels| vec![0.0; pixels * part.depth]);
        let [query_kind, key_kind, value_kind] = &mut kinds;
        for query in 0..queries.len() {
            let own = query * part.depth..(query + 1) * part.depth;
            let row = query * keys.len()..(query + 1) * keys.len();
            let (scores, weights) = (&mut scores[row.clone()], &weights[row]);
            for (seen, values) in seen[own.clone()]
                .iter()
                .zip(values_by_channel.chunks(keys.len()))
            {
                add_multiple(scores, *seen, values);
            }
            // Softmax: each weight learns by how much more it was asked for than all together.
            let asked: f32 = scores
                .iter()
                .zip(weights)
                .map(|(score, weight)| score * weight)
                .sum();
            for (score, weight) in scores.iter_mut().zip(weights) {
                *score = weight * (*score - asked);
            }
            for (key, (score, weight)) in scores.iter().zip(weights).enumerate() {
                let other = key * part.depth..(key + 1) * part.depth;
                add_multiple(
                    &mut query_kind[own.clone()],
                    score * scale,
                    &by_key[other.clone()],
                );
                add_multiple(
                    &mut key_kind[other.clone()],
                    score * scale,
                    &by_query[own.clone()],
                );
                add_multiple(&mut value_kind[other], *weight, &seen[own.clone()]);
            }
        }
        Self { kinds, scores }
    }
}
