// PixelShuffle: each cell's channels become a square of cells with fewer channels. An invocation makes
// a channel block of one pixel, of channels that lie apart in the input.

struct Params {
    in_size: vec2<u32>, // height, width
    in_blocks: u32, // channel blocks of the input
    out_blocks: u32, // channel blocks of the output
    channels: u32, // of the output
    factor: u32, // cells along a side of a square
    unused: vec2<u32>,
}

#import fpn::dtype::{Stored, Result, packed, unpacked}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read_write> image: array<Stored>; // [y][x][block]
@group(0) @binding(2) var<storage, read_write> result: array<Result>; // [y][x][block]

fn value_at(cell: u32, channel: u32) -> f32 {
    let block = unpacked(image[cell * params.in_blocks + channel / 4u]);
    return block[channel % 4u];
}

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) workgroups: vec3<u32>) {
    let index = id.x + id.y * workgroups.x * 64u;
    let size = params.in_size * params.factor;
    if index >= size.x * size.y * params.out_blocks {
        return;
    }
    let block = index % params.out_blocks;
    let pixel = index / params.out_blocks;
    let place = vec2<u32>(pixel / size.y, pixel % size.y);
    let source = place / params.factor;
    let within = place % params.factor;
    let cell = source.x * params.in_size.y + source.y;
    let square = params.factor * params.factor;
    let offset = within.x * params.factor + within.y;
    var value = vec4<f32>();
    for (var k = 0u; k < 4u; k++) {
        let channel = block * 4u + k;
        if channel < params.channels {
            value[k] = value_at(cell, channel * square + offset);
        }
    }
    result[index] = packed(value);
}
