// Grouped convolution over maps of channel blocks: the channels of a group are made from those of
// the same group of the input. An invocation keeps the sums of eight pixels times four channels in
// registers, a matrix for four pixels, as conv.wgsl does; the invocations beside it make other channels of
// the same pixels, so that together they read and write what lies side by side.

#import fpn::conv::{params, Factor, cells_of, corners_of, tap_at, load_four, block_of, store}

@group(0) @binding(3) var<storage, read> weights: array<Factor>; // [ky][kx][in channel of the group][out block]

// The weights of four input channels for four output channels: a column an input channel.
fn filter_at(column: u32) -> mat4x4<f32> {
    let row = params.out_blocks;
    return mat4x4<f32>(
        block_of(weights[column]),
        block_of(weights[column + row]),
        block_of(weights[column + 2u * row]),
        block_of(weights[column + 3u * row]),
    );
}

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) workgroups: vec3<u32>) {
    let index = id.x + id.y * workgroups.x * 64u;
    let block = index % params.out_blocks;
    let first_pixel = index / params.out_blocks * 8u;
    if first_pixel >= params.pixels {
        return;
    }
    let first_in = block / params.group_out_blocks * params.group_in_blocks;

    let corners = corners_of(first_pixel, 0u);
    let more_corners = corners_of(first_pixel + 4u, 0u);
    var sums: mat4x4<f32>;
    var more_sums: mat4x4<f32>;
    var column = block;
    for (var ky = 0u; ky < params.kernel.x; ky++) {
        for (var kx = 0u; kx < params.kernel.y; kx++) {
            let tap = tap_at(ky, kx);
            let cells = cells_of(corners, tap);
            let more_cells = cells_of(more_corners, tap);
            for (var in_block = 0u; in_block < params.group_in_blocks; in_block++) {
                let filters = filter_at(column);
                sums += filters * load_four(cells, first_in + in_block);
                more_sums += filters * load_four(more_cells, first_in + in_block);
                column += 4u * params.out_blocks;
            }
        }
    }

    store(sums, first_pixel, block, 0u);
    store(more_sums, first_pixel + 4u, block, 0u);
}
