// The chosen anchors of one level, decoded, clipped and put in order: best logit first, ties to the
// earlier anchor. An invocation an anchor. A slot of key 0 is empty.

struct Params {
    anchors: array<vec4<f32>, 3>, // of a cell at the origin
    size: vec2<u32>, // of the map: height, width
    stride: vec2<u32>, // pixels between cells: down, across
    logit_pitch: u32, // floats a cell in memory
    delta_pitch: u32,
    limit: u32,
    first_slot: u32,
    min_side: f32,
    unused_a: u32,
    unused_b: u32,
    unused_c: u32,
}

#import fpn::frame::Frame
#import fpn::order::key
#import fpn::boxes::{decode, clip, is_at_least}

const ANCHORS: u32 = 3u;

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<uniform> frame: Frame;
@group(0) @binding(2) var<storage, read_write> logits: array<f32>; // [cell][anchor]
@group(0) @binding(3) var<storage, read_write> deltas: array<f32>; // [cell][anchor][4]
@group(0) @binding(4) var<storage, read_write> chosen: array<u32>; // their number, then the anchors
@group(0) @binding(5) var<storage, read_write> boxes: array<vec4<f32>>; // by slot
@group(0) @binding(6) var<storage, read_write> keys: array<u32>; // by slot

fn key_of(anchor: u32) -> u32 {
    return key(logits[anchor / ANCHORS * params.logit_pitch + anchor % ANCHORS]);
}

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
    let index = id.x;
    if index >= params.limit {
        return;
    }
    let count = chosen[0];
    if index >= count {
        keys[params.first_slot + index] = 0u;
        return;
    }
    let anchor = chosen[1u + index];
    let own = key_of(anchor);
    var rank = 0u;
    for (var other = 0u; other < count; other++) {
        let candidate = chosen[1u + other];
        let k = key_of(candidate);
        rank += select(0u, 1u, k > own || (k == own && candidate < anchor));
    }

    let a = anchor % ANCHORS;
    let cell = anchor / ANCHORS;
    let shift = vec2<f32>(vec2<u32>(cell % params.size.y, cell / params.size.y) * params.stride.yx);
    let start = cell * params.delta_pitch + 4u * a;
    let delta = vec4<f32>(deltas[start], deltas[start + 1u], deltas[start + 2u], deltas[start + 3u]);
    let decoded = decode(params.anchors[a] + shift.xyxy, delta, vec4<f32>(1.0));
    let box = clip(decoded, vec2<f32>(frame.resized));
    boxes[params.first_slot + rank] = box;
    keys[params.first_slot + rank] = select(0u, own, is_at_least(box, params.min_side));
}
