#define_import_path fpn::activation

// ReLU at slope 0, leaky ReLU above, nothing at slope 1.
fn leaky(value: vec4<f32>, slope: f32) -> vec4<f32> {
    return max(value, vec4<f32>()) + slope * min(value, vec4<f32>());
}
