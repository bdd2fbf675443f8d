#define_import_path fpn::activation

// ReLU at slope 0, leaky ReLU above, nothing at slope 1.
fn leaky(value: vec4<f32>, slope: f32) -> vec4<f32> {
    // Not max and min, which may swallow NaN.
    return select(slope * value, value, value > vec4<f32>());
}
