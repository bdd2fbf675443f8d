// Maximum over windows; what lies outside the map does not count. An invocation makes four channels of one
// pixel.

struct Params {
    in_size: vec2<u32>, // height, width
    out_size: vec2<u32>,
    blocks: u32, // channel blocks
    items: u32,
    kernel: vec2<u32>,
    stride: vec2<u32>,
    dilation: vec2<u32>,
    padding: vec2<u32>,
}

#import fpn::dtype::{Stored, Result, packed, unpacked}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read_write> image: array<Stored>; // [item][y][x][block]
@group(0) @binding(2) var<storage, read_write> result: array<Result>; // [item][y][x][block]

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) workgroups: vec3<u32>) {
    let index = id.x + id.y * workgroups.x * 64u;
    let size = params.out_size.x * params.out_size.y;
    if index >= params.items * size * params.blocks {
        return;
    }
    let block = index % params.blocks;
    let pixel = index / params.blocks;
    let first_row = pixel / size * params.in_size.x;
    let place = vec2<u32>(pixel % size / params.out_size.y, pixel % params.out_size.y);
    let corner = vec2<i32>(place * params.stride) - vec2<i32>(params.padding);
    var best = vec4<f32>(-3.402823e38);
    for (var ky = 0u; ky < params.kernel.x; ky++) {
        for (var kx = 0u; kx < params.kernel.y; kx++) {
            let at = corner + vec2<i32>(vec2<u32>(ky, kx) * params.dilation);
            if all(at >= vec2<i32>(0)) && all(at < vec2<i32>(params.in_size)) {
                let row = first_row + u32(at.x);
                let value = unpacked(image[(row * params.in_size.y + u32(at.y)) * params.blocks + block]);
                // Not max, which may swallow NaN.
                best = select(value, best, value <= best);
            }
        }
    }
    result[index] = packed(best);
}
