// Convolution as a tiled matrix product (implicit GEMM): a workgroup makes 64 pixels times 64
// channels, and brings both factors into its memory, sixteen input channels at a time. An invocation
// makes 8 pixels times 8 channels.

enable f16;

#import fpn::conv::{params, Factor, cell, corner, tap_at, load, block_of, store, wide}

@group(0) @binding(3) var<storage, read> weights: array<Factor>; // [batch][ky][kx][in channel][out block]

// What products are computed in.
#ifdef PRODUCT_F16
alias Number = f16;
alias Matrix = mat4x4<f16>;
#else
alias Number = f32;
alias Matrix = mat4x4<f32>;
#endif

const PIXELS: u32 = 64u; // of a tile
const BLOCKS: u32 = 16u; // of a tile, output channel blocks
const DEPTH: u32 = 4u; // input channel blocks that are brought at once
const INVOCATIONS: u32 = 64u;

var<workgroup> pixels: array<vec4<Number>, 256>; // [block of the depth][pixel]
var<workgroup> filters: array<vec4<Number>, 256>; // [input channel of the depth][block]

fn filter_at(block: u32, column: u32) -> Matrix {
    let start = block * 4u * BLOCKS + column;
    return Matrix(filters[start], filters[start + BLOCKS], filters[start + 2u * BLOCKS], filters[start + 3u * BLOCKS]);
}

fn pixels_at(block: u32, first: u32) -> Matrix {
    let start = block * PIXELS + first;
    return Matrix(pixels[start], pixels[start + 1u], pixels[start + 2u], pixels[start + 3u]);
}

@compute @workgroup_size(64)
fn main(@builtin(local_invocation_index) invocation: u32, @builtin(workgroup_id) workgroup: vec3<u32>) {
    let first_pixel = workgroup.x * PIXELS;
    let first_block = workgroup.y * BLOCKS;
    let batch = workgroup.z;
    let own_pixel = invocation / 8u * 8u;
    let own_block = invocation % 8u * 2u;
    let own_corner = corner(first_pixel + invocation, batch);

    var a0: mat4x4<f32>; // pixels 0…3, block 0
    var a1: mat4x4<f32>;
    var b0: mat4x4<f32>; // pixels 4…7
    var b1: mat4x4<f32>;
    var row = batch * params.kernel.x * params.kernel.y * params.in_blocks * 4u * params.out_blocks;
    for (var ky = 0u; ky < params.kernel.x; ky++) {
        for (var kx = 0u; kx < params.kernel.y; kx++) {
            let source = cell(own_corner, tap_at(ky, kx));
            for (var first = 0u; first < params.in_blocks; first += DEPTH) {
                // What the last round brought has been used.
                workgroupBarrier();
                for (var k = 0u; k < DEPTH; k++) {
                    let block = first + k;
                    let is_there = Number(select(0.0, 1.0, block < params.in_blocks));
                    pixels[k * PIXELS + invocation] = load(source, min(block, params.in_blocks - 1u)) * is_there;
                    // Sixteen blocks of each of the invocation's input channels: a channel a quarter.
                    let channel = k * 4u + invocation / BLOCKS;
                    let start = row + min(first * 4u + channel, params.in_blocks * 4u - 1u) * params.out_blocks;
                    let column = min(first_block + invocation % BLOCKS, params.out_blocks - 1u);
                    filters[channel * BLOCKS + invocation % BLOCKS] = block_of(weights[start + column]);
                }
                workgroupBarrier();
                for (var k = 0u; k < DEPTH; k++) {
                    let a = pixels_at(k, own_pixel);
                    let b = pixels_at(k, own_pixel + 4u);
                    let f0 = filter_at(k, own_block);
                    let f1 = filter_at(k, own_block + 1u);
                    a0 += wide(f0 * a);
                    a1 += wide(f1 * a);
                    b0 += wide(f0 * b);
                    b1 += wide(f1 * b);
                }
            }
            row += params.in_blocks * 4u * params.out_blocks;
        }
    }

    let pixel = first_pixel + own_pixel;
    let block = first_block + own_block;
    store(a0, pixel, block, batch);
    store(a1, pixel, block + 1u, batch);
    store(b0, pixel + 4u, block, batch);
    store(b1, pixel + 4u, block + 1u, batch);
}
