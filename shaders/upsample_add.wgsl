// The pyramid's top-down step on its own: a map plus a coarser one, enlarged to the nearest. With
// maps of one size, their sum. A lane makes four channels of one pixel.

struct Params {
    fine_size: vec2<u32>, // height, width
    coarse_size: vec2<u32>,
    quads: u32, // channels by fours
    slope: f32, // of the activation; 1 for none
    unused: vec2<u32>,
}

#import fpn::activation::leaky
#import fpn::numbers::{Stored, Result, packed, unpacked}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read_write> fine: array<Stored>; // [y][x][quad]
@group(0) @binding(2) var<storage, read_write> coarse: array<Stored>; // [y][x][quad]
@group(0) @binding(3) var<storage, read_write> result: array<Result>; // [y][x][quad]

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let index = id.x + id.y * groups.x * 64u;
    if index >= params.fine_size.x * params.fine_size.y * params.quads {
        return;
    }
    let quad = index % params.quads;
    let pixel = index / params.quads;
    let place = vec2<u32>(pixel / params.fine_size.y, pixel % params.fine_size.y);
    let nearest = place * params.coarse_size / params.fine_size;
    let source = (nearest.x * params.coarse_size.y + nearest.y) * params.quads + quad;
    result[index] = packed(leaky(unpacked(fine[index]) + unpacked(coarse[source]), params.slope));
}
