//! CPU reference of `shaders/copy.wgsl`.

use super::Params;
use crate::kernels::checks::{Call, vec4, vec4_mut};

/// A copy of a map.
///
/// - `image`, `result`: `[block]`.
pub(super) fn run(call: Call<'_>) {
    let (params, [image, result]) = call.split::<Params, 2>();
    let blocks = params.blocks as usize;
    vec4_mut(result)[..blocks].copy_from_slice(&vec4(image)[..blocks]);
}
