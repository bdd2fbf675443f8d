// Maximum over windows; what lies outside the map does not count.

#import fpn::dtype::packed
#import fpn::pool::{params, result, is_made, window_at, tap_of, is_within, load}

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) workgroups: vec3<u32>) {
    let index = id.x + id.y * workgroups.x * 64u;
    if !is_made(index) {
        return;
    }
    let window = window_at(index);
    var best = vec4<f32>(-3.402823e38);
    for (var ky = 0u; ky < params.kernel.x; ky++) {
        for (var kx = 0u; kx < params.kernel.y; kx++) {
            let cell = tap_of(window, ky, kx);
            if is_within(cell, vec2<u32>()) {
                let value = load(window, cell);
                // Not max, which may swallow NaN.
                best = select(value, best, value <= best);
            }
        }
    }
    result[index] = packed(best);
}
