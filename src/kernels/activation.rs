//! CPU reference of `shaders/shared/activation.wgsl`.

use super::checks::Vec4;

/// ReLU at slope 0, leaky ReLU above, nothing at slope 1.
pub(super) fn leaky(value: Vec4, slope: f32) -> Vec4 {
    // Not max and min, which may swallow NaN.
    value.map(|value| if value > 0.0 { value } else { slope * value })
}
