// Convolution over maps of channels by fours, directly: a lane keeps the sums of #{PIXELS} pixels
// times #{QUADS} × 4 channels in registers, a matrix for each four channels of four pixels. Matrix
// products are convolutions of one pixel a row.
//
// With SUBGROUPS, a lane loads the weights of one quad and gets the others' from the seven lanes
// beside it. Nothing is indexed by a loop's counter: drivers would keep it in memory.

enable f16;


#import fpn::conv::{params, Factor, cells_of, corners_of, load_four, quad_of, store, wide}

@group(0) @binding(3) var<storage, read> weights: array<Factor>; // [batch][ky][kx][in channel][out quad]

// What products are computed in.
#ifdef PRODUCT_F16
alias Matrix = mat4x4<f16>;
#else
alias Matrix = mat4x4<f32>;
#endif

// The matrices of four input channels: a column an input channel.
struct Filters {
    q0: Matrix,
    q1: Matrix,
    q2: Matrix,
    q3: Matrix,
#ifdef SUBGROUPS
    q4: Matrix,
    q5: Matrix,
    q6: Matrix,
    q7: Matrix,
#endif
}

// The sums of four pixels: a column a pixel.
struct Sums {
    q0: mat4x4<f32>,
    q1: mat4x4<f32>,
    q2: mat4x4<f32>,
    q3: mat4x4<f32>,
#ifdef SUBGROUPS
    q4: mat4x4<f32>,
    q5: mat4x4<f32>,
    q6: mat4x4<f32>,
    q7: mat4x4<f32>,
#endif
}

fn add_product(sums: ptr<function, Sums>, filters: Filters, pixels: Matrix) {
    (*sums).q0 += wide(filters.q0 * pixels);
    (*sums).q1 += wide(filters.q1 * pixels);
    (*sums).q2 += wide(filters.q2 * pixels);
    (*sums).q3 += wide(filters.q3 * pixels);
#ifdef SUBGROUPS
    (*sums).q4 += wide(filters.q4 * pixels);
    (*sums).q5 += wide(filters.q5 * pixels);
    (*sums).q6 += wide(filters.q6 * pixels);
    (*sums).q7 += wide(filters.q7 * pixels);
#endif
}

// The weights of four input channels for four output channels.
fn filter_at(column: u32) -> Matrix {
    let row = params.out_quads;
    return Matrix(
        quad_of(weights[column]),
        quad_of(weights[column + row]),
        quad_of(weights[column + 2u * row]),
        quad_of(weights[column + 3u * row]),
    );
}

#ifdef SUBGROUPS

// From the lane's own quad; all lanes take part, also those without pixels.
fn filters_at(row: u32, first_quad: u32, lane: u32) -> Filters {
    let own = filter_at(row + min(first_quad + lane % 8u, params.out_quads - 1u));
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

fn filters_at(row: u32, first_quad: u32, lane: u32) -> Filters {
    // Channels past the last are computed from the last and not stored.
    let last = params.out_quads - 1u;
    return Filters(
        filter_at(row + first_quad),
        filter_at(row + min(first_quad + 1u, last)),
        filter_at(row + min(first_quad + 2u, last)),
        filter_at(row + min(first_quad + 3u, last)),
    );
}

#endif

fn store_all(sums: Sums, pixel: u32, quad: u32, batch: u32) {
    store(sums.q0, pixel, quad, batch);
    store(sums.q1, pixel, quad + 1u, batch);
    store(sums.q2, pixel, quad + 2u, batch);
    store(sums.q3, pixel, quad + 3u, batch);
#ifdef SUBGROUPS
    store(sums.q4, pixel, quad + 4u, batch);
    store(sums.q5, pixel, quad + 5u, batch);
    store(sums.q6, pixel, quad + 6u, batch);
    store(sums.q7, pixel, quad + 7u, batch);
#endif
}

@compute @workgroup_size(#{LANES})
fn main(
    @builtin(global_invocation_id) id: vec3<u32>,
    // The weights' place comes from the group: drivers then see that all lanes read the same ones.
    @builtin(workgroup_id) group: vec3<u32>,
#ifdef SUBGROUPS
    @builtin(subgroup_invocation_id) lane: u32,
#endif
) {
    let first_pixel = id.x * #{PIXELS}u;
    let first_quad = group.y * #{QUADS}u;
    let batch = group.z;
#ifndef SUBGROUPS
    let lane = 0u;
#endif

    let corners = corners_of(first_pixel);
    var sums: Sums;
#ifdef EIGHT_PIXELS
    let more_corners = corners_of(first_pixel + 4u);
    var more_sums: Sums;
#endif
    var row = batch * params.kernel.x * params.kernel.y * params.in_quads * 4u * params.out_quads;
    for (var ky = 0u; ky < params.kernel.x; ky++) {
        for (var kx = 0u; kx < params.kernel.y; kx++) {
            let tap = vec2<i32>(vec2<u32>(ky, kx));
            let cells = cells_of(corners, tap, batch);
#ifdef EIGHT_PIXELS
            let more_cells = cells_of(more_corners, tap, batch);
#endif
            for (var quad = 0u; quad < params.in_quads; quad++) {
                let filters = filters_at(row, first_quad, lane);
                add_product(&sums, filters, load_four(cells, quad));
#ifdef EIGHT_PIXELS
                add_product(&more_sums, filters, load_four(more_cells, quad));
#endif
                row += 4u * params.out_quads;
            }
        }
    }

    store_all(sums, first_pixel, first_quad, batch);
#ifdef EIGHT_PIXELS
    store_all(more_sums, first_pixel + 4u, first_quad, batch);
#endif
}
