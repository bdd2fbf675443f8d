// Convolution over maps of channel blocks, directly: an invocation keeps the sums of #{PIXELS} pixels
// times #{BLOCKS} × 4 channels in registers, a matrix for each four channels of four pixels. Matrix
// products are convolutions of one pixel a row.
//
// With SUBGROUPS, an invocation loads the weights of one block and gets the others' from the seven invocations
// beside it. Nothing is indexed by a loop's counter: drivers would keep it in memory.

enable f16;


#import fpn::conv::{params, Factor, cells_of, corners_of, tap_at, load_four, block_of, store, wide}

@group(0) @binding(3) var<storage, read> weights: array<Factor>; // [batch][ky][kx][in channel][out block]

// What products are computed in.
#ifdef PRODUCT_F16
alias Matrix = mat4x4<f16>;
#else
alias Matrix = mat4x4<f32>;
#endif

// The matrices of four input channels: a column an input channel.
struct Filters {
    block0: Matrix,
    block1: Matrix,
    block2: Matrix,
    block3: Matrix,
#ifdef SUBGROUPS
    block4: Matrix,
    block5: Matrix,
    block6: Matrix,
    block7: Matrix,
#endif
}

// The sums of four pixels: a column a pixel.
struct Sums {
    block0: mat4x4<f32>,
    block1: mat4x4<f32>,
    block2: mat4x4<f32>,
    block3: mat4x4<f32>,
#ifdef SUBGROUPS
    block4: mat4x4<f32>,
    block5: mat4x4<f32>,
    block6: mat4x4<f32>,
    block7: mat4x4<f32>,
#endif
}

fn add_product(sums: ptr<function, Sums>, filters: Filters, pixels: Matrix) {
    (*sums).block0 += wide(filters.block0 * pixels);
    (*sums).block1 += wide(filters.block1 * pixels);
    (*sums).block2 += wide(filters.block2 * pixels);
    (*sums).block3 += wide(filters.block3 * pixels);
#ifdef SUBGROUPS
    (*sums).block4 += wide(filters.block4 * pixels);
    (*sums).block5 += wide(filters.block5 * pixels);
    (*sums).block6 += wide(filters.block6 * pixels);
    (*sums).block7 += wide(filters.block7 * pixels);
#endif
}

// The weights of four input channels for four output channels.
fn filter_at(column: u32) -> Matrix {
    let row = params.out_blocks;
    return Matrix(
        block_of(weights[column]),
        block_of(weights[column + row]),
        block_of(weights[column + 2u * row]),
        block_of(weights[column + 3u * row]),
    );
}

#ifdef SUBGROUPS

// From the invocation's own block; all invocations take part, also those without pixels.
fn filters_at(row: u32, first_block: u32, invocation: u32) -> Filters {
    let own = filter_at(row + min(first_block + invocation % 8u, params.out_blocks - 1u));
    return Filters(
        Matrix(subgroupBroadcast(own[0], 0u), subgroupBroadcast(own[1], 0u), subgroupBroadcast(own[2], 0u), subgroupBroadcast(own[3], 0u)),
        Matrix(subgroupBroadcast(own[0], 1u), subgroupBroadcast(own[1], 1u), subgroupBroadcast(own[2], 1u), subgroupBroadcast(own[3], 1u)),
        Matrix(subgroupBroadcast(own[0], 2u), subgroupBroadcast(own[1], 2u), subgroupBroadcast(own[2], 2u), subgroupBroadcast(own[3], 2u)),
        Matrix(subgroupBroadcast(own[0], 3u), subgroupBroadcast(own[1], 3u), subgroupBroadcast(own[2], 3u), subgroupBroadcast(own[3], 3u)),
        Matrix(subgroupBroadcast(own[0], 4u), subgroupBroadcast(own[1], 4u), subgroupBroadcast(own[2], 4u), subgroupBroadcast(own[3], 4u)),
        Matrix(subgroupBroadcast(own[0], 5u), subgroupBroadcast(own[1], 5u), subgroupBroadcast(own[2], 5u), subgroupBroadcast(own[3], 5u)),
        Matrix(subgroupBroadcast(own[0], 6u), subgroupBroadcast(own[1], 6u), subgroupBroadcast(own[2], 6u), subgroupBroadcast(own[3], 6u)),
        Matrix(subgroupBroadcast(own[0], 7u), subgroupBroadcast(own[1], 7u), subgroupBroadcast(own[2], 7u), subgroupBroadcast(own[3], 7u)),
    );
}

#else

fn filters_at(row: u32, first_block: u32, invocation: u32) -> Filters {
    // Channels past the last are computed from the last and not stored.
    let last = params.out_blocks - 1u;
    return Filters(
        filter_at(row + first_block),
        filter_at(row + min(first_block + 1u, last)),
        filter_at(row + min(first_block + 2u, last)),
        filter_at(row + min(first_block + 3u, last)),
    );
}

#endif

fn store_all(sums: Sums, pixel: u32, block: u32, batch: u32) {
    store(sums.block0, pixel, block, batch);
    store(sums.block1, pixel, block + 1u, batch);
    store(sums.block2, pixel, block + 2u, batch);
    store(sums.block3, pixel, block + 3u, batch);
#ifdef SUBGROUPS
    store(sums.block4, pixel, block + 4u, batch);
    store(sums.block5, pixel, block + 5u, batch);
    store(sums.block6, pixel, block + 6u, batch);
    store(sums.block7, pixel, block + 7u, batch);
#endif
}

@compute @workgroup_size(#{INVOCATIONS})
fn main(
    @builtin(global_invocation_id) id: vec3<u32>,
    // The weights' place comes from the group: drivers then see that all invocations read the same ones.
    @builtin(workgroup_id) workgroup: vec3<u32>,
#ifdef SUBGROUPS
    @builtin(subgroup_invocation_id) invocation: u32,
#endif
) {
    let first_pixel = id.x * #{PIXELS}u;
    let first_block = workgroup.y * #{BLOCKS}u;
    let batch = workgroup.z;
#ifndef SUBGROUPS
    let invocation = 0u;
#endif

    let corners = corners_of(first_pixel, batch);
    var sums: Sums;
#ifdef EIGHT_PIXELS
    let more_corners = corners_of(first_pixel + 4u, batch);
    var more_sums: Sums;
#endif
    var row = batch * params.kernel.x * params.kernel.y * params.in_blocks * 4u * params.out_blocks;
    for (var ky = 0u; ky < params.kernel.x; ky++) {
        for (var kx = 0u; kx < params.kernel.y; kx++) {
            let tap = tap_at(ky, kx);
            let cells = cells_of(corners, tap);
#ifdef EIGHT_PIXELS
            let more_cells = cells_of(more_corners, tap);
#endif
            for (var block = 0u; block < params.in_blocks; block++) {
                let filters = filters_at(row, first_block, invocation);
                add_product(&sums, filters, load_four(cells, block));
#ifdef EIGHT_PIXELS
                add_product(&more_sums, filters, load_four(more_cells, block));
#endif
                row += 4u * params.out_blocks;
            }
        }
    }

    store_all(sums, first_pixel, first_block, batch);
#ifdef EIGHT_PIXELS
    store_all(more_sums, first_pixel + 4u, first_block, batch);
#endif
}
