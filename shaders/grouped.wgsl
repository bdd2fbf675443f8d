// Grouped convolution over maps of channels by fours: the channels of a group are made from those of
// the same group of the input. A lane keeps the sums of eight pixels times four channels in
// registers, a matrix for four pixels, as conv.wgsl does; the lanes beside it make other channels of
// the same pixels, so that together they read and write what lies side by side.

#import fpn::conv::{params, Factor, cells_of, corners_of, load_four, quad_of, store}

@group(0) @binding(3) var<storage, read> weights: array<Factor>; // [ky][kx][in channel of the group][out quad]

// The weights of four input channels for four output channels: a column an input channel.
fn filter_at(column: u32) -> mat4x4<f32> {
    let row = params.out_quads;
    return mat4x4<f32>(
        quad_of(weights[column]),
        quad_of(weights[column + row]),
        quad_of(weights[column + 2u * row]),
        quad_of(weights[column + 3u * row]),
    );
}

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let index = id.x + id.y * groups.x * 64u;
    let quad = index % params.out_quads;
    let first_pixel = index / params.out_quads * 8u;
    if first_pixel >= params.out_size.x * params.out_size.y {
        return;
    }
    let first_in = quad / params.group_out_quads * params.group_in_quads;

    let corners = corners_of(first_pixel);
    let more_corners = corners_of(first_pixel + 4u);
    var sums: mat4x4<f32>;
    var more_sums: mat4x4<f32>;
    var column = quad;
    for (var ky = 0u; ky < params.kernel.x; ky++) {
        for (var kx = 0u; kx < params.kernel.y; kx++) {
            let tap = vec2<i32>(vec2<u32>(ky, kx));
            let cells = cells_of(corners, tap, 0u);
            let more_cells = cells_of(more_corners, tap, 0u);
            for (var in_quad = 0u; in_quad < params.group_in_quads; in_quad++) {
                let filters = filter_at(column);
                sums += filters * load_four(cells, first_in + in_quad);
                more_sums += filters * load_four(more_cells, first_in + in_quad);
                column += 4u * params.out_quads;
            }
        }
    }

    store(sums, first_pixel, quad, 0u);
    store(more_sums, first_pixel + 4u, quad, 0u);
}
