// The first of three steps of a 3×3 convolution of stride 1 as Winograd's F(4×4, 3×3) (Lavin and
// Gray, 2016, https://arxiv.org/abs/1509.09308): tiles of 6×6 cells, which overlap by two, become 36
// matrices of a row a tile. An invocation transforms four channels of one tile.

#import fpn::conv::{params, result, Corner, corner_at, cell, load}
#import fpn::dtype::packed

struct Six {
    a: vec4<f32>,
    b: vec4<f32>,
    c: vec4<f32>,
    d: vec4<f32>,
    e: vec4<f32>,
    f: vec4<f32>,
}

// Bᵀ times a column.
fn transform(x: Six) -> Six {
    let even = x.e - 4.0 * x.c;
    let odd = x.d - 4.0 * x.b;
    let half_even = x.e - x.c;
    let half_odd = 2.0 * (x.d - x.b);
    return Six(
        4.0 * x.a - 5.0 * x.c + x.e,
        even + odd,
        even - odd,
        half_even + half_odd,
        half_even - half_odd,
        4.0 * x.b - 5.0 * x.d + x.f,
    );
}

fn load_row(corner: Corner, y: i32, block: u32) -> Six {
    return Six(
        load(cell(corner, vec2<i32>(y, 0)), block),
        load(cell(corner, vec2<i32>(y, 1)), block),
        load(cell(corner, vec2<i32>(y, 2)), block),
        load(cell(corner, vec2<i32>(y, 3)), block),
        load(cell(corner, vec2<i32>(y, 4)), block),
        load(cell(corner, vec2<i32>(y, 5)), block),
    );
}

// The matrices of one column of frequencies.
fn store_column(x: Six, column: u32, at: u32) {
    let matrix = params.tiles * params.in_blocks;
    let start = at + column * matrix;
    let y = transform(x);
    result[start] = packed(y.a);
    result[start + 6u * matrix] = packed(y.b);
    result[start + 12u * matrix] = packed(y.c);
    result[start + 18u * matrix] = packed(y.d);
    result[start + 24u * matrix] = packed(y.e);
    result[start + 30u * matrix] = packed(y.f);
}

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) workgroups: vec3<u32>) {
    let index = id.x + id.y * workgroups.x * 64u;
    if index >= params.tiles * params.in_blocks {
        return;
    }
    let block = index % params.in_blocks;
    let tile = params.first_tile + index / params.in_blocks;
    let grid = (params.out_size + 3u) / 4u; // tiles of an item, down and across
    let rest = tile % (grid.x * grid.y);
    let place = 4u * vec2<u32>(rest / grid.y, rest % grid.y);
    let corner = corner_at(place, tile / (grid.x * grid.y), 0u);

    let r0 = transform(load_row(corner, 0, block));
    let r1 = transform(load_row(corner, 1, block));
    let r2 = transform(load_row(corner, 2, block));
    let r3 = transform(load_row(corner, 3, block));
    let r4 = transform(load_row(corner, 4, block));
    let r5 = transform(load_row(corner, 5, block));
    store_column(Six(r0.a, r1.a, r2.a, r3.a, r4.a, r5.a), 0u, index);
    store_column(Six(r0.b, r1.b, r2.b, r3.b, r4.b, r5.b), 1u, index);
    store_column(Six(r0.c, r1.c, r2.c, r3.c, r4.c, r5.c), 2u, index);
    store_column(Six(r0.d, r1.d, r2.d, r3.d, r4.d, r5.d), 3u, index);
    store_column(Six(r0.e, r1.e, r2.e, r3.e, r4.e, r5.e), 4u, index);
    store_column(Six(r0.f, r1.f, r2.f, r3.f, r4.f, r5.f), 5u, index);
}
