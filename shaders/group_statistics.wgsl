// The mean of each group of channels over a map, and one over its deviation, for each channel of the group. A
// workgroup takes a group.

struct Params {
    pixels: u32,
    blocks: u32, // of four channels, of a pixel
    group_blocks: u32, // of a group
    epsilon: f32, // added to the variance
}

#import fpn::dtype::{Stored, Result, packed, unpacked}

const INVOCATIONS: u32 = 256u;

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read_write> map: array<Stored>; // [pixel][block]
@group(0) @binding(2) var<storage, read_write> means: array<Result>; // [block]
@group(0) @binding(3) var<storage, read_write> scales: array<Result>; // [block]

var<workgroup> sums: array<vec4<f32>, 256>;
var<workgroup> sum: f32;

// The sum of all invocations' values.
fn total(invocation: u32, value: vec4<f32>) -> f32 {
    sums[invocation] = value;
    for (var reach = INVOCATIONS / 2u; reach > 0u; reach /= 2u) {
        workgroupBarrier();
        if invocation < reach {
            sums[invocation] += sums[invocation + reach];
        }
    }
    if invocation == 0u {
        sum = (sums[0].x + sums[0].y) + (sums[0].z + sums[0].w);
    }
    return workgroupUniformLoad(&sum);
}

fn value_of(group: u32, index: u32) -> vec4<f32> {
    let pixel = index / params.group_blocks;
    let block = group * params.group_blocks + index % params.group_blocks;
    return unpacked(map[pixel * params.blocks + block]);
}

@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) id: vec3<u32>, @builtin(local_invocation_index) invocation: u32) {
    let group = id.x;
    let values = params.pixels * params.group_blocks;
    let number = 4.0 * f32(values);
    var own = vec4<f32>();
    for (var index = invocation; index < values; index += INVOCATIONS) {
        own += value_of(group, index);
    }
    let mean = total(invocation, own) / number;
    own = vec4<f32>();
    for (var index = invocation; index < values; index += INVOCATIONS) {
        let centred = value_of(group, index) - mean;
        own += centred * centred;
    }
    let variance = total(invocation, own) / number;
    let scale = 1.0 / sqrt(variance + params.epsilon);
    for (var block = invocation; block < params.group_blocks; block += INVOCATIONS) {
        means[group * params.group_blocks + block] = packed(vec4<f32>(mean));
        scales[group * params.group_blocks + block] = packed(vec4<f32>(scale));
    }
}
