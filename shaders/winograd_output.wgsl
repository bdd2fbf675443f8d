// The last of three steps of a convolution as Winograd's F(4×4, 3×3), see winograd_input.wgsl: 36
// products of a tile become 4×4 pixels, which get bias, activations and residual. A lane makes four
// channels of one tile.

#import fpn::conv::{params, image, quad_of, store_pixel}

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
    let matrix = params.tiles * params.out_quads;
    let start = at + row * 6u * matrix;
    return Six(
        quad_of(image[start]),
        quad_of(image[start + matrix]),
        quad_of(image[start + 2u * matrix]),
        quad_of(image[start + 3u * matrix]),
        quad_of(image[start + 4u * matrix]),
        quad_of(image[start + 5u * matrix]),
    );
}

fn store_column(x: Six, corner: vec2<u32>, quad: u32) {
    if corner.y >= params.out_size.y {
        return;
    }
    let y = transform(x);
    // Rows past the last have no pixel.
    let pixel = corner.x * params.out_size.y + corner.y;
    store_pixel(y.a, pixel, quad, 0u);
    store_pixel(y.b, pixel + params.out_size.y, quad, 0u);
    store_pixel(y.c, pixel + 2u * params.out_size.y, quad, 0u);
    store_pixel(y.d, pixel + 3u * params.out_size.y, quad, 0u);
}

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let index = id.x + id.y * groups.x * 64u;
    if index >= params.tiles * params.out_quads {
        return;
    }
    let quad = index % params.out_quads;
    let tile = params.first_tile + index / params.out_quads;
    let across = (params.out_size.y + 3u) / 4u;
    let corner = 4u * vec2<u32>(tile / across, tile % across);

    let r0 = transform(load_row(0u, index));
    let r1 = transform(load_row(1u, index));
    let r2 = transform(load_row(2u, index));
    let r3 = transform(load_row(3u, index));
    let r4 = transform(load_row(4u, index));
    let r5 = transform(load_row(5u, index));
    store_column(Six(r0.a, r1.a, r2.a, r3.a, r4.a, r5.a), corner, quad);
    store_column(Six(r0.b, r1.b, r2.b, r3.b, r4.b, r5.b), corner + vec2<u32>(0u, 1u), quad);
    store_column(Six(r0.c, r1.c, r2.c, r3.c, r4.c, r5.c), corner + vec2<u32>(0u, 2u), quad);
    store_column(Six(r0.d, r1.d, r2.d, r3.d, r4.d, r5.d), corner + vec2<u32>(0u, 3u), quad);
}
