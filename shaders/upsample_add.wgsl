// The pyramid's top-down step on its own: a map plus a coarser one, upsampled to the nearest or
// bilinearly. With maps of one size, their sum. An invocation makes four channels of one pixel.

struct Params {
    fine_size: vec2<u32>, // height, width
    coarse_size: vec2<u32>,
    blocks: u32, // channel blocks
    slope: f32, // of the activation; 1 for none
    items: u32,
    unused: u32,
}

#import fpn::activation::leaky
#import fpn::bilinear::{between, tap}
#import fpn::dtype::{Stored, Result, packed, unpacked}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read_write> fine: array<Stored>; // [item][y][x][block]
@group(0) @binding(2) var<storage, read_write> coarse: array<Stored>; // [item][y][x][block]
@group(0) @binding(3) var<storage, read_write> result: array<Result>; // [item][y][x][block]

fn load(row: u32, x: u32, block: u32) -> vec4<f32> {
    return unpacked(coarse[(row * params.coarse_size.y + x) * params.blocks + block]);
}

// The coarser map of an item, from its first row on, at a cell of the finer one.
fn coarse_at(first_row: u32, place: vec2<u32>, block: u32) -> vec4<f32> {
#ifdef BILINEAR
    let down = tap(place.x, params.coarse_size.x, params.fine_size.x);
    let across = tap(place.y, params.coarse_size.y, params.fine_size.y);
    let low = first_row + down.low;
    let high = first_row + down.high;
    let top = between(across, load(low, across.low, block), load(low, across.high, block));
    let bottom = between(across, load(high, across.low, block), load(high, across.high, block));
    return between(down, top, bottom);
#else
    let nearest = place * params.coarse_size / params.fine_size;
    return load(first_row + nearest.x, nearest.y, block);
#endif
}

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) workgroups: vec3<u32>) {
    let index = id.x + id.y * workgroups.x * 64u;
    let size = params.fine_size.x * params.fine_size.y;
    if index >= params.items * size * params.blocks {
        return;
    }
    let block = index % params.blocks;
    let pixel = index / params.blocks;
    let first_row = pixel / size * params.coarse_size.x;
    let place = vec2<u32>(pixel % size / params.fine_size.y, pixel % params.fine_size.y);
    result[index] = packed(leaky(unpacked(fine[index]) + coarse_at(first_row, place, block), params.slope));
}
