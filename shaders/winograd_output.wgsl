// The last of three steps of a convolution as Winograd's F(4×4, 3×3), see winograd_input.wgsl: 36
// products of a tile become 4×4 pixels, which get bias, activations and residual. An invocation makes four
// channels of one tile.

#import fpn::conv::{params, image, block_of, store_pixel}

struct Six {
    a: vec4<f32>,
    b: vec4<f32>,
    c: vec4<f32>,
    d: vec4<f32>,
    e: vec4<f32>,
    f: vec4<f32>,
}

struct Four {
    a: vec4<f32>,
    b: vec4<f32>,
    c: vec4<f32>,
    d: vec4<f32>,
}

// Aᵀ times a column.
fn transform(x: Six) -> Four {
    let sum = x.b + x.c;
    let difference = x.b - x.c;
    let far_sum = x.d + x.e;
    let far_difference = x.d - x.e;
    return Four(
        x.a + sum + far_sum,
        difference + 2.0 * far_difference,
        sum + 4.0 * far_sum,
        difference + 8.0 * far_difference + x.f,
    );
}

// A row of frequencies.
fn load_row(row: u32, at: u32) -> Six {
    let matrix = params.tiles * params.out_blocks;
    let start = at + row * 6u * matrix;
    return Six(
        block_of(image[start]),
        block_of(image[start + matrix]),
        block_of(image[start + 2u * matrix]),
        block_of(image[start + 3u * matrix]),
        block_of(image[start + 4u * matrix]),
        block_of(image[start + 5u * matrix]),
    );
}

// `place` is that of the first pixel in its item, `pixel` its index.
fn store_column(x: Six, place: vec2<u32>, pixel: u32, block: u32) {
    if place.y >= params.out_size.y {
        return;
    }
    let y = transform(x);
    store_row(y.a, place.x, pixel, block);
    store_row(y.b, place.x + 1u, pixel + params.out_size.y, block);
    store_row(y.c, place.x + 2u, pixel + 2u * params.out_size.y, block);
    store_row(y.d, place.x + 3u, pixel + 3u * params.out_size.y, block);
}

// Past an item's last row lie the next one's pixels.
fn store_row(value: vec4<f32>, row: u32, pixel: u32, block: u32) {
    if row < params.out_size.x {
        store_pixel(value, pixel, block, 0u);
    }
}

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) workgroups: vec3<u32>) {
    let index = id.x + id.y * workgroups.x * 64u;
    if index >= params.tiles * params.out_blocks {
        return;
    }
    let block = index % params.out_blocks;
    let tile = params.first_tile + index / params.out_blocks;
    let grid = (params.out_size + 3u) / 4u; // tiles of an item, down and across
    let rest = tile % (grid.x * grid.y);
    let place = 4u * vec2<u32>(rest / grid.y, rest % grid.y);
    let row = tile / (grid.x * grid.y) * params.out_size.x + place.x;
    let pixel = row * params.out_size.y + place.y;

    let r0 = transform(load_row(0u, index));
    let r1 = transform(load_row(1u, index));
    let r2 = transform(load_row(2u, index));
    let r3 = transform(load_row(3u, index));
    let r4 = transform(load_row(4u, index));
    let r5 = transform(load_row(5u, index));
    store_column(Six(r0.a, r1.a, r2.a, r3.a, r4.a, r5.a), place, pixel, block);
    store_column(Six(r0.b, r1.b, r2.b, r3.b, r4.b, r5.b), place + vec2<u32>(0u, 1u), pixel + 1u, block);
    store_column(Six(r0.c, r1.c, r2.c, r3.c, r4.c, r5.c), place + vec2<u32>(0u, 2u), pixel + 2u, block);
    store_column(Six(r0.d, r1.d, r2.d, r3.d, r4.d, r5.d), place + vec2<u32>(0u, 3u), pixel + 3u, block);
}
