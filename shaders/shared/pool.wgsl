#define_import_path fpn::pool

// What pools share: parameters, and where a window's cells lie. An invocation makes four channels of one
// pixel.

#import fpn::dtype::{Stored, Result, unpacked}

struct Params {
    in_size: vec2<u32>, // height, width
    out_size: vec2<u32>,
    blocks: u32, // channel blocks
    items: u32,
    kernel: vec2<u32>,
    stride: vec2<u32>,
    dilation: vec2<u32>,
    padding: vec2<u32>,
    counted: vec2<u32>, // cells above and below, and beside the map that count in an average
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read_write> image: array<Stored>; // [item][y][x][block]
@group(0) @binding(2) var<storage, read_write> result: array<Result>; // [item][y][x][block]

// Where a window begins, the first row of the input's item that it lies in, and the channels.
struct Window {
    corner: vec2<i32>,
    first_row: u32,
    block: u32,
}

fn is_made(index: u32) -> bool {
    return index < params.items * params.out_size.x * params.out_size.y * params.blocks;
}

fn window_at(index: u32) -> Window {
    let size = params.out_size.x * params.out_size.y;
    let pixel = index / params.blocks;
    let place = vec2<u32>(pixel % size / params.out_size.y, pixel % params.out_size.y);
    let corner = vec2<i32>(place * params.stride) - vec2<i32>(params.padding);
    return Window(corner, pixel / size * params.in_size.x, index % params.blocks);
}

fn tap_of(window: Window, ky: u32, kx: u32) -> vec2<i32> {
    return window.corner + vec2<i32>(vec2<u32>(ky, kx) * params.dilation);
}

// Whether a cell lies in the map, or so near to it.
fn is_within(cell: vec2<i32>, around: vec2<u32>) -> bool {
    return all(cell + vec2<i32>(around) >= vec2<i32>(0)) && all(cell < vec2<i32>(params.in_size + around));
}

fn load(window: Window, cell: vec2<i32>) -> vec4<f32> {
    let row = window.first_row + u32(cell.x);
    return unpacked(image[(row * params.in_size.y + u32(cell.y)) * params.blocks + window.block]);
}
