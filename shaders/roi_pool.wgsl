// RoIPool over one map. An invocation makes four channels of one cell of one RoI.

struct Params {
    size: vec2<u32>, // of the map: height, width
    cells: vec2<u32>, // rows, columns of the output
    rois: u32, // capacity
    blocks: u32, // channel blocks
    scale: f32, // cells of the map a pixel
    unused: u32,
}

#import fpn::boxes::makes_sense
#import fpn::dtype::{Stored, Result, packed, unpacked}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read_write> boxes: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read_write> count: array<u32>;
@group(0) @binding(3) var<storage, read_write> result: array<Result>; // [roi][row][column][block]
@group(0) @binding(4) var<storage, read_write> image: array<Stored>; // [y][x][block]

// Half away from zero; WGSL's round goes to even.
fn rounded(value: vec4<f32>) -> vec4<i32> {
    let whole = trunc(value);
    let is_far = abs(value - whole) >= vec4<f32>(0.5);
    return vec4<i32>(whole + select(vec4<f32>(), sign(value), is_far));
}

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) workgroups: vec3<u32>) {
    let index = id.x + id.y * workgroups.x * 64u;
    let cells = params.cells.x * params.cells.y;
    let roi = index / (cells * params.blocks);
    if roi >= params.rois {
        return;
    }
    if roi >= count[0] || !makes_sense(boxes[roi]) {
        // What is not meant is at least finite.
        result[index] = packed(vec4<f32>());
        return;
    }
    let block = index % params.blocks;
    let cell = index / params.blocks % cells;
    let place = vec2<i32>(vec2<u32>(cell / params.cells.y, cell % params.cells.y));

    let corners = rounded(boxes[roi] * params.scale);
    let start = corners.yx;
    let extent = max(corners.wz - start + 1, vec2<i32>(1)); // height, width
    let parts = vec2<i32>(params.cells);
    // In whole numbers, since a quotient of floats may be off by just enough.
    let low = start + place * extent / parts;
    let high = start + ((place + 1) * extent + parts - 1) / parts;
    let size = vec2<i32>(params.size);
    let first = vec2<u32>(clamp(low, vec2<i32>(), size));
    let end = vec2<u32>(clamp(high, vec2<i32>(), size));

    if any(first >= end) {
        result[index] = packed(vec4<f32>());
        return;
    }
    let corner = first.x * params.size.y + first.y;
    var most = unpacked(image[corner * params.blocks + block]);
    for (var y = first.x; y < end.x; y++) {
        for (var x = first.y; x < end.y; x++) {
            most = max(most, unpacked(image[(y * params.size.y + x) * params.blocks + block]));
        }
    }
    result[index] = packed(most);
}
