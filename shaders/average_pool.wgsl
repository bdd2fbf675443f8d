// Mean over windows of the cells that count: those of the map, and perhaps zeros around it.

#import fpn::dtype::packed
#import fpn::pool::{params, result, is_made, window_at, tap_of, is_within, load}

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) workgroups: vec3<u32>) {
    let index = id.x + id.y * workgroups.x * 64u;
    if !is_made(index) {
        return;
    }
    let window = window_at(index);
    var sum: vec4<f32>;
    var count = 0.0;
    for (var ky = 0u; ky < params.kernel.x; ky++) {
        for (var kx = 0u; kx < params.kernel.y; kx++) {
            let cell = tap_of(window, ky, kx);
            if is_within(cell, vec2<u32>()) {
                sum += load(window, cell);
            }
            count += select(0.0, 1.0, is_within(cell, params.counted));
        }
    }
    result[index] = packed(sum / max(count, 1.0));
}
