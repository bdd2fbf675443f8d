//! CPU reference of `shaders/rank_candidates.wgsl`.

use super::Params;
use crate::kernels::checks::{Call, Vec4, vec4};

/// The order of the candidates: best score first, ties to the earlier one.
///
/// - `candidates`: as many vec4 each as the parameters say; `count`: how many there are;
/// - `order`: the candidates' indices.
pub(super) fn run(call: Call<'_>) {
    let (params, [candidates, count, order]) = call.split::<Params, 3>();
    rank_candidates(&params, vec4(candidates), count, order);
}

fn rank_candidates(params: &Params, candidates: &[Vec4], count: &[u32], order: &mut [u32]) {
    let score_of =
        |candidate: u32| candidates[(candidate * params.blocks + params.blocks - 1) as usize][0];
    let total = count[0].min(params.capacity);
    for index in 0..total {
        let own = score_of(index);
        let mut rank = 0;
        for other in 0..total {
            let score = score_of(other);
            rank += usize::from(score > own || (score == own && other < index));
        }
        order[rank] = index;
    }
}
