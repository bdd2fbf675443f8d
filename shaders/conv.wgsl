// Convolution over maps of channels by fours, directly: a lane keeps the sums of #{PIXELS} pixels
// times #{QUADS} × 4 channels in registers. Matrix products are convolutions of one pixel a row.
//
// The sums get bias, inner activation, residual and outer activation before they are stored.

struct Params {
    in_size: vec2<u32>, // height, width
    out_size: vec2<u32>,
    in_quads: u32, // channels of the input by fours
    out_quads: u32, // channels this convolution makes, by fours
    out_stride: u32, // channels of the output's pixels by fours: others may write beside
    out_first: u32,
    kernel: vec2<u32>,
    stride: vec2<u32>,
    padding: vec2<u32>,
    residual_size: vec2<u32>,
    inner_slope: f32,
    outer_slope: f32,
    unused: vec2<u32>,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read_write> image: array<vec4<f32>>; // [y][x][quad]
@group(0) @binding(2) var<storage, read> weights: array<vec4<f32>>; // [ky][kx][in channel][out quad]
@group(0) @binding(3) var<storage, read> bias: array<vec4<f32>>; // [out quad]
@group(0) @binding(4) var<storage, read_write> result: array<vec4<f32>>; // [y][x][quad]
#ifdef RESIDUAL
@group(0) @binding(5) var<storage, read_write> residual: array<vec4<f32>>; // [y][x][out quad]
#endif

#import fpn::activation::leaky

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3<u32>, @builtin(workgroup_id) group: vec3<u32>) {
    let pixels = params.out_size.x * params.out_size.y;
    let first_pixel = id.x * #{PIXELS}u;
    // From the group, not from the lane: drivers then see that all lanes read the same weights.
    let first_quad = group.y * #{QUADS}u;
    if first_pixel >= pixels {
        return;
    }

    var sums: array<array<vec4<f32>, #{QUADS}>, #{PIXELS}>;
    var corners: array<vec2<i32>, #{PIXELS}>;
    for (var p = 0u; p < #{PIXELS}u; p++) {
        let pixel = min(first_pixel + p, pixels - 1u);
        let place = vec2<u32>(pixel / params.out_size.y, pixel % params.out_size.y);
        corners[p] = vec2<i32>(place * params.stride) - vec2<i32>(params.padding);
    }
    // Channels past the last are computed from the last and not stored.
    var quads: array<u32, #{QUADS}>;
    for (var q = 0u; q < #{QUADS}u; q++) {
        quads[q] = min(first_quad + q, params.out_quads - 1u);
    }

    let in_size = vec2<i32>(params.in_size);
    for (var ky = 0u; ky < params.kernel.x; ky++) {
        for (var kx = 0u; kx < params.kernel.y; kx++) {
            var starts: array<u32, #{PIXELS}>;
            var inside: array<f32, #{PIXELS}>;
            for (var p = 0u; p < #{PIXELS}u; p++) {
                let place = corners[p] + vec2<i32>(vec2<u32>(ky, kx));
                let is_inside = all(place >= vec2<i32>(0)) && all(place < in_size);
                inside[p] = select(0.0, 1.0, is_inside);
                let clamped = vec2<u32>(clamp(place, vec2<i32>(0), in_size - 1));
                starts[p] = (clamped.x * params.in_size.y + clamped.y) * params.in_quads;
            }
            var row = (ky * params.kernel.y + kx) * params.in_quads * 4u * params.out_quads;
            for (var quad = 0u; quad < params.in_quads; quad++) {
                var values: array<vec4<f32>, #{PIXELS}>;
                for (var p = 0u; p < #{PIXELS}u; p++) {
                    values[p] = image[starts[p] + quad] * inside[p];
                }
                for (var q = 0u; q < #{QUADS}u; q++) {
                    let column = row + quads[q];
                    let w0 = weights[column];
                    let w1 = weights[column + params.out_quads];
                    let w2 = weights[column + 2u * params.out_quads];
                    let w3 = weights[column + 3u * params.out_quads];
                    for (var p = 0u; p < #{PIXELS}u; p++) {
                        var sum = sums[p][q];
                        sum = fma(vec4<f32>(values[p].x), w0, sum);
                        sum = fma(vec4<f32>(values[p].y), w1, sum);
                        sum = fma(vec4<f32>(values[p].z), w2, sum);
                        sum = fma(vec4<f32>(values[p].w), w3, sum);
                        sums[p][q] = sum;
                    }
                }
                row += 4u * params.out_quads;
            }
        }
    }

    for (var p = 0u; p < #{PIXELS}u; p++) {
        let pixel = first_pixel + p;
        if pixel >= pixels {
            break;
        }
        for (var q = 0u; q < #{QUADS}u; q++) {
            let quad = first_quad + q;
            if quad >= params.out_quads {
                break;
            }
            var value = leaky(sums[p][q] + bias[quad], params.inner_slope);
#ifdef RESIDUAL
            value += residual[residual_pixel(pixel) * params.out_quads + quad];
#endif
            value = leaky(value, params.outer_slope);
            result[pixel * params.out_stride + params.out_first + quad] = value;
        }
    }
}

#ifdef RESIDUAL
// The pixel of the residual for one of the output: itself, or the nearest of a coarser map.
fn residual_pixel(pixel: u32) -> u32 {
    let place = vec2<u32>(pixel / params.out_size.y, pixel % params.out_size.y);
    let coarse = place * params.residual_size / params.out_size;
    return coarse.x * params.residual_size.y + coarse.y;
}
#endif
