// Depthwise convolution: one filter a channel. An invocation makes four channels of one pixel.

#import fpn::conv::{params, image, Factor, corner, tap_at, block_of, store_pixel}

@group(0) @binding(3) var<storage, read> weights: array<Factor>; // [ky][kx][block]

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) workgroups: vec3<u32>) {
    let index = id.x + id.y * workgroups.x * 64u;
    if index >= params.pixels * params.out_blocks {
        return;
    }
    let block = index % params.out_blocks;
    let pixel = index / params.out_blocks;
    let window = corner(pixel, 0u);
    var sum: vec4<f32>;
    for (var ky = 0u; ky < params.kernel.x; ky++) {
        for (var kx = 0u; kx < params.kernel.y; kx++) {
            let at = window.place + tap_at(ky, kx);
            if all(at >= vec2<i32>(0)) && all(at < vec2<i32>(params.in_size)) {
                let row = window.first_row + u32(at.x);
                let source = (row * params.in_size.y + u32(at.y)) * params.out_blocks + block;
                let weight = block_of(weights[(ky * params.kernel.y + kx) * params.out_blocks + block]);
                sum = fma(block_of(image[source]), weight, sum);
            }
        }
    }
    store_pixel(sum, pixel, block, 0u);
}
