// Maps brought to another size, larger or smaller, by the nearest cell or bilinearly. An invocation makes
// four channels of one pixel.

struct Params {
    in_size: vec2<u32>, // height, width
    out_size: vec2<u32>,
    blocks: u32, // channel blocks
    items: u32,
    scale: vec2<f32>, // source cells a target cell
    centre: f32, // of a cell, from where places are scaled
    unused: u32,
}

#import fpn::bilinear::{between, tap_near}
#import fpn::dtype::{Stored, Result, packed, unpacked}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read_write> image: array<Stored>; // [item][y][x][block]
@group(0) @binding(2) var<storage, read_write> result: array<Result>; // [item][y][x][block]

fn load(row: u32, x: u32, block: u32) -> vec4<f32> {
    return unpacked(image[(row * params.in_size.y + x) * params.blocks + block]);
}

// The map of an item, from its first row on, at a cell of the result.
fn source_at(first_row: u32, place: vec2<u32>, block: u32) -> vec4<f32> {
#ifdef BILINEAR
    let source = (vec2<f32>(place) + params.centre) * params.scale - params.centre;
    let down = tap_near(source.x, params.in_size.x);
    let across = tap_near(source.y, params.in_size.y);
    let low = first_row + down.low;
    let high = first_row + down.high;
    let top = between(across, load(low, across.low, block), load(low, across.high, block));
    let bottom = between(across, load(high, across.low, block), load(high, across.high, block));
    return between(down, top, bottom);
#else
    let nearest = place * params.in_size / params.out_size;
    return load(first_row + nearest.x, nearest.y, block);
#endif
}

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
    result[index] = packed(source_at(first_row, place, block));
}
