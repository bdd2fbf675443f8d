// From an 8-bit RGBA picture to the network's input: normalize, resize (bilinear, half-pixel
// centres, no antialiasing), pad with zeros. An invocation makes one pixel.

struct Params {
    padded: vec2<u32>, // height, width
    divisor: f32,
    unused: u32,
    mean: vec4<f32>,
    deviation: vec4<f32>,
}

#import fpn::bilinear::{between, tap}
#import fpn::dtype::{Result, packed}
#import fpn::frame::Frame

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<uniform> frame: Frame;
@group(0) @binding(2) var<storage, read> picture: array<u32>; // a pixel a word
@group(0) @binding(3) var<storage, read_write> image: array<Result>;

fn normal(x: u32, y: u32) -> vec4<f32> {
    let word = picture[y * frame.original.y + x];
    let bytes = vec4<u32>(word, word >> 8u, word >> 16u, 0u) & vec4<u32>(255u);
    return (vec4<f32>(bytes) / params.divisor - params.mean) / params.deviation;
}

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) workgroups: vec3<u32>) {
    let pixel = id.x + id.y * workgroups.x * 64u;
    if pixel >= params.padded.x * params.padded.y {
        return;
    }
    let y = pixel / params.padded.y;
    let x = pixel % params.padded.y;
    if y >= frame.resized.x || x >= frame.resized.y {
        image[pixel] = packed(vec4<f32>());
        return;
    }
    let down = tap(y, frame.original.x, frame.resized.x);
    let across = tap(x, frame.original.y, frame.resized.y);
    let top = between(across, normal(across.low, down.low), normal(across.high, down.low));
    let bottom = between(across, normal(across.low, down.high), normal(across.high, down.high));
    let value = between(down, top, bottom);
    image[pixel] = packed(vec4<f32>(value.xyz, 0.0));
}
