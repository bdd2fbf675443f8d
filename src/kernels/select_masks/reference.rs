//! CPU reference of `shaders/select_masks.wgsl`.

use super::Params;
use crate::kernels::checks::{Call, floats};
use crate::kernels::kernel::sizes;

/// Of each RoI's masks that of its label, as probabilities.
///
/// - `logits`: `[RoI][pixel][class]`; `labels`: a RoI; `masks`: `[RoI][pixel]`, pixels by fours.
pub(super) fn run(call: Call<'_>) {
    let (params, [logits, labels, masks]) = call.split::<Params, 3>();
    let logits = floats(logits);
    let [rois, pixels, classes, pitch] =
        sizes([params.rois, params.pixels, params.classes, params.pitch]);
    let row = pixels.next_multiple_of(4);
    for roi in 0..rois {
        let label = (labels[roi] as usize).min(classes - 1);
        for pixel in 0..row {
            let probability = match pixel < pixels {
                true => 1.0 / (1.0 + (-logits[(roi * pixels + pixel) * pitch + label]).exp()),
                false => 0.0_f32,
            };
            masks[roi * row + pixel] = probability.to_bits();
        }
    }
}
