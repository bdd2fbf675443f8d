// Convolution as a tiled matrix product (implicit GEMM): a workgroup makes 64 pixels times 64
// channels, and brings both factors into its memory, sixteen input channels at a time. A lane
// makes 8 pixels times 8 channels.

enable f16;

#import fpn::conv::{params, Factor, cell, corner, load, quad_of, store, wide}

@group(0) @binding(3) var<storage, read> weights: array<Factor>; // [batch][ky][kx][in channel][out quad]

// What products are computed in.
#ifdef PRODUCT_F16
alias Number = f16;
alias Matrix = mat4x4<f16>;
#else
alias Number = f32;
alias Matrix = mat4x4<f32>;
#endif

const PIXELS: u32 = 64u; // of a tile
const QUADS: u32 = 16u; // of a tile, output channels by fours
const DEPTH: u32 = 4u; // input channels by fours that are brought at once
const LANES: u32 = 64u;

var<workgroup> pixels: array<vec4<Number>, 256>; // [quad of the depth][pixel]
var<workgroup> filters: array<vec4<Number>, 256>; // [input channel of the depth][quad]

fn filter_at(quad: u32, column: u32) -> Matrix {
    let start = quad * 4u * QUADS + column;
    return Matrix(filters[start], filters[start + QUADS], filters[start + 2u * QUADS], filters[start + 3u * QUADS]);
}

fn pixels_at(quad: u32, first: u32) -> Matrix {
    let start = quad * PIXELS + first;
    return Matrix(pixels[start], pixels[start + 1u], pixels[start + 2u], pixels[start + 3u]);
}

@compute @workgroup_size(64)
fn main(@builtin(local_invocation_index) lane: u32, @builtin(workgroup_id) group: vec3<u32>) {
    let first_pixel = group.x * PIXELS;
    let first_quad = group.y * QUADS;
    let batch = group.z;
    let own_pixel = lane / 8u * 8u;
    let own_quad = lane % 8u * 2u;
    let own_corner = corner(first_pixel + lane);

    var a0: mat4x4<f32>; // pixels 0…3, quad 0
    var a1: mat4x4<f32>;
    var b0: mat4x4<f32>; // pixels 4…7
    var b1: mat4x4<f32>;
    var row = batch * params.kernel.x * params.kernel.y * params.in_quads * 4u * params.out_quads;
    for (var ky = 0u; ky < params.kernel.x; ky++) {
        for (var kx = 0u; kx < params.kernel.y; kx++) {
            let source = cell(own_corner + vec2<i32>(vec2<u32>(ky, kx)), batch);
            for (var first = 0u; first < params.in_quads; first += DEPTH) {
                // What the last round brought has been used.
                workgroupBarrier();
                for (var k = 0u; k < DEPTH; k++) {
                    let quad = first + k;
                    let is_there = Number(select(0.0, 1.0, quad < params.in_quads));
                    pixels[k * PIXELS + lane] = load(source, min(quad, params.in_quads - 1u)) * is_there;
                    // Sixteen quads of each of the lane's input channels: a channel a quarter.
                    let channel = k * 4u + lane / QUADS;
                    let start = row + min(first * 4u + channel, params.in_quads * 4u - 1u) * params.out_quads;
                    let column = min(first_quad + lane % QUADS, params.out_quads - 1u);
                    filters[channel * QUADS + lane % QUADS] = quad_of(weights[start + column]);
                }
                workgroupBarrier();
                for (var k = 0u; k < DEPTH; k++) {
                    let a = pixels_at(k, own_pixel);
                    let b = pixels_at(k, own_pixel + 4u);
                    let f0 = filter_at(k, own_quad);
                    let f1 = filter_at(k, own_quad + 1u);
                    a0 += wide(f0 * a);
                    a1 += wide(f1 * a);
                    b0 += wide(f0 * b);
                    b1 += wide(f1 * b);
                }
            }
            row += params.in_quads * 4u * params.out_quads;
        }
    }

    let pixel = first_pixel + own_pixel;
    let quad = first_quad + own_quad;
    store(a0, pixel, quad, batch);
    store(a1, pixel, quad + 1u, batch);
    store(b0, pixel + 4u, quad, batch);
    store(b1, pixel + 4u, quad + 1u, batch);
}
