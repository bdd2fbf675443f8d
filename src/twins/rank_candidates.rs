//! Twin of `shaders/rank_candidates.wgsl`.

use super::{Vec4, words};

/// The order of the candidates: best score first, ties to the earlier one.
///
/// - `candidates`: as many vec4 each as the parameters say; `count`: how many there are;
/// - `order`: the candidates' indices.
///
/// # Panics
/// If a buffer is too small.
pub fn rank_candidates(params: &[u32], candidates: &[Vec4], count: &[u32], order: &mut [u32]) {
    let [capacity, quads, _, _] = words(params);
    let score_of = |candidate: usize| candidates[candidate * quads + quads - 1][0];
    let total = (count[0] as usize).min(capacity);
    for index in 0..total {
        let own = score_of(index);
        let mut rank = 0;
        for other in 0..total {
            let score = score_of(other);
            rank += usize::from(score > own || (score == own && other < index));
        }
        order[rank] = index as u32;
    }
}
