// From an 8-bit RGBA picture to the network's input: resize, normalize, pad with zeros. Bilinear with
// half-pixel centres and no antialiasing over normalized values; or over bytes that are normalized then,
// antialiased, or bilinear from index to index. An invocation makes one pixel.

struct Params {
    padded: vec2<u32>, // height, width
    divisor: f32,
    is_bgr: u32,
    mean: vec4<f32>, // in the input's order
    deviation: vec4<f32>,
}

#ifdef ANTIALIASED
#import fpn::antialias::{BITS, HALF, taps, weight}
#else ifndef WARPED
#import fpn::bilinear::{between, tap_near}
#endif
#import fpn::dtype::{Result, packed}
#import fpn::frame::Frame

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<uniform> frame: Frame;
@group(0) @binding(2) var<storage, read> picture: array<u32>; // a pixel a word
@group(0) @binding(3) var<storage, read_write> image: array<Result>;

fn bytes(x: u32, y: u32) -> vec3<u32> {
    let word = picture[y * frame.original.y + x];
    let rgb = vec3<u32>(word, word >> 8u, word >> 16u) & vec3<u32>(255u);
    return select(rgb, rgb.zyx, params.is_bgr == 1u);
}

fn normal(value: vec3<f32>) -> vec3<f32> {
    return (value / params.divisor - params.mean.xyz) / params.deviation.xyz;
}

#ifdef ANTIALIASED
fn resized(y: u32, x: u32) -> vec3<f32> {
    let down = taps(y, frame.original.x, frame.resized.x);
    let across = taps(x, frame.original.y, frame.resized.y);
    var sum = vec3<u32>(HALF);
    for (var row = down.first; row < down.end; row++) {
        var of_row = vec3<u32>(HALF);
        for (var column = across.first; column < across.end; column++) {
            of_row += weight(across, column) * bytes(column, row);
        }
        sum += weight(down, row) * min(of_row >> vec3<u32>(BITS), vec3<u32>(255u));
    }
    return normal(vec3<f32>(min(sum >> vec3<u32>(BITS), vec3<u32>(255u))));
}
#else ifdef WARPED
// Beyond the picture is black.
fn cell(place: vec2<i32>) -> vec3<f32> {
    if any(place < vec2<i32>()) || any(place >= vec2<i32>(frame.original)) {
        return vec3<f32>();
    }
    return vec3<f32>(bytes(u32(place.y), u32(place.x)));
}

fn row(left: vec2<i32>, near: f32) -> vec3<f32> {
    return (1.0 - near) * cell(left) + near * cell(left + vec2<i32>(0, 1));
}

fn resized(y: u32, x: u32) -> vec3<f32> {
    let place = vec2<f32>(vec2<u32>(y, x)) * frame.ratio + frame.shift;
    let low = floor(place);
    let near = place - low;
    let corner = vec2<i32>(low);
    let top = row(corner, near.y);
    let bottom = row(corner + vec2<i32>(1, 0), near.y);
    return normal((1.0 - near.x) * top + near.x * bottom);
}
#else
fn cell(x: u32, y: u32) -> vec4<f32> {
    return vec4<f32>(normal(vec3<f32>(bytes(x, y))), 0.0);
}

fn resized(y: u32, x: u32) -> vec3<f32> {
    let place = (vec2<f32>(vec2<u32>(y, x)) + 0.5) * frame.ratio - 0.5;
    let down = tap_near(place.x, frame.original.x);
    let across = tap_near(place.y, frame.original.y);
    let top = between(across, cell(across.low, down.low), cell(across.high, down.low));
    let bottom = between(across, cell(across.low, down.high), cell(across.high, down.high));
    return between(down, top, bottom).xyz;
}
#endif

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
    image[pixel] = packed(vec4<f32>(resized(y, x), 0.0));
}
