//! CPU reference of `shaders/top_scores.wgsl`.

use std::cmp::Reverse;

use super::{INVOCATIONS, KERNELS, Params, Source};
use crate::kernels::checks::{Call, floats};
use crate::kernels::order::key;

/// The items of each stretch that score enough, of which the best as many as a list has slots, ties to the
/// earlier, in their order.
///
/// - `classes`: `[cell][anchor][class]`; `centreness`: `[cell]`; `scores` and `items`: `[list][slot]`;
///   `counts`: a list.
pub(super) fn run(call: Call<'_>) {
    let params: Params = call.params();
    let index = KERNELS.iter().position(|kernel| kernel == call.kernel);
    let place = |item: u32| (item / params.row * params.pitch + item % params.row) as usize;
    let sigmoid = |logit: f32| 1.0 / (1.0 + (-logit).exp());
    match Source::ALL[index.expect("the kernel is one of them")] {
        Source::Plain => {
            let (_, [classes, scores, items, counts]) = call.split::<Params, 4>();
            let classes = floats(classes);
            let score = |item| Some((sigmoid(classes[place(item)]), item));
            top_scores(&params, score, [scores, items, counts]);
        }
        Source::Centred => {
            let (_, [classes, centreness, scores, items, counts]) = call.split::<Params, 5>();
            let (classes, centreness) = (floats(classes), floats(centreness));
            let score = |item: u32| {
                let centre = centreness[(item / params.row * params.centre_pitch) as usize];
                let score = (sigmoid(classes[place(item)]) * sigmoid(centre)).sqrt();
                Some((score, item))
            };
            top_scores(&params, score, [scores, items, counts]);
        }
        Source::Lists => {
            let (_, [from, listed, numbers, scores, items, counts]) = call.split::<Params, 6>();
            let from = floats(from);
            let score = |item: u32| {
                let is_one = item % params.row < numbers[(item / params.row) as usize];
                is_one.then(|| (from[place(item)], listed[place(item)]))
            };
            top_scores(&params, score, [scores, items, counts]);
        }
    }
}

fn top_scores(
    params: &Params,
    score: impl Fn(u32) -> Option<(f32, u32)>,
    [scores, items, counts]: [&mut Vec<u32>; 3],
) {
    let stretch = INVOCATIONS * params.share;
    for list in 0..params.lists() {
        let all = list * stretch..((list + 1) * stretch).min(params.items);
        let mut passing: Vec<(u32, f32, u32)> = all
            .filter_map(|item| {
                let (score, named) = score(item)?;
                (score > params.score_threshold).then_some((item, score, named))
            })
            .collect();
        // Stable, so that ties stay in order.
        passing.sort_by_key(|(_, score, _)| Reverse(key(*score)));
        passing.truncate(params.limit as usize);
        passing.sort_by_key(|(item, ..)| *item);
        counts[list as usize] = passing.len() as u32;
        for (slot, (_, score, named)) in passing.into_iter().enumerate() {
            let place = (list * params.limit) as usize + slot;
            scores[place] = score.to_bits();
            items[place] = named;
        }
    }
}
