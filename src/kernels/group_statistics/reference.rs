//! CPU reference of `shaders/group_statistics.wgsl`.

use super::Params;
use crate::kernels::checks::{Call, Vec4, vec4, vec4_mut};
use crate::kernels::kernel::sizes;

/// The mean of each group of channels over a map, and one over its deviation, for each channel of the group.
///
/// - `map`: `[pixel][block]`; `means`, `scales`: `[block]`.
pub(super) fn run(call: Call<'_>) {
    let [groups, ..] = call.workgroups;
    let (params, [map, means, scales]) = call.split::<Params, 3>();
    let (map, means, scales) = (vec4(map), vec4_mut(means), vec4_mut(scales));
    for group in 0..groups as usize {
        group_statistics(&params, group, map, means, scales);
    }
}

fn group_statistics(
    params: &Params,
    group: usize,
    map: &[Vec4],
    means: &mut [Vec4],
    scales: &mut [Vec4],
) {
    let [pixels, blocks, group_blocks] = sizes([params.pixels, params.blocks, params.group_blocks]);
    let own = group * group_blocks..(group + 1) * group_blocks;
    let of_pixel = |pixel: usize| &map[pixel * blocks..][own.clone()];
    // A map has many values, whose sum is not to depend on their order.
    let values = || {
        (0..pixels)
            .flat_map(of_pixel)
            .flatten()
            .map(|value| f64::from(*value))
    };
    let number = (4 * pixels * group_blocks) as f64;
    let mean = values().sum::<f64>() / number;
    let variance = values().map(|value| (value - mean).powi(2)).sum::<f64>() / number;
    let scale = 1.0 / (variance + f64::from(params.epsilon)).sqrt();
    means[own.clone()].fill([mean as f32; 4]);
    scales[own].fill([scale as f32; 4]);
}
