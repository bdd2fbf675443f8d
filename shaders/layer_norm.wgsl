// Each pixel's channels, shifted and scaled to mean 0 and variance 1, then scaled and shifted by channel. An
// invocation makes all channels of one pixel.

struct Params {
    pixels: u32,
    channels: u32,
    epsilon: f32, // added to the variance
    unused: u32,
}

#import fpn::dtype::{Stored, Result, packed, unpacked}
#import fpn::lanes::are_channels

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read_write> map: array<Stored>; // [pixel][block]
@group(0) @binding(2) var<storage, read> gamma: array<vec4<f32>>; // [block]
@group(0) @binding(3) var<storage, read> beta: array<vec4<f32>>; // [block]
@group(0) @binding(4) var<storage, read_write> result: array<Result>; // [pixel][block]

// A block less a number; 0 where there is no channel.
fn above(index: u32, block: u32, number: f32) -> vec4<f32> {
    return select(vec4<f32>(), unpacked(map[index]) - number, are_channels(block, params.channels));
}

fn total(value: vec4<f32>) -> f32 {
    return (value.x + value.y) + (value.z + value.w);
}

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) workgroups: vec3<u32>) {
    let pixel = id.x + id.y * workgroups.x * 64u;
    if pixel >= params.pixels {
        return;
    }
    let channels = f32(params.channels);
    let blocks = (params.channels + 3u) / 4u;
    let first = pixel * blocks;
    var sum = vec4<f32>();
    for (var block = 0u; block < blocks; block++) {
        sum += above(first + block, block, 0.0);
    }
    let mean = total(sum) / channels;
    // Of what is centred: the difference of two squares would lose digits.
    var squares = vec4<f32>();
    for (var block = 0u; block < blocks; block++) {
        let centred = above(first + block, block, mean);
        squares += centred * centred;
    }
    let scale = 1.0 / sqrt(total(squares) / channels + params.epsilon);
    for (var block = 0u; block < blocks; block++) {
        let value = above(first + block, block, mean) * (scale * gamma[block]) + beta[block];
        result[first + block] = packed(select(vec4<f32>(), value, are_channels(block, params.channels)));
    }
}
