// The chosen anchors of one level, decoded, clipped and put in order: best logit first, ties to the
// earlier anchor. An invocation an anchor. A slot of key 0 is empty.

struct Params {
    anchors: array<vec4<f32>, 16>, // of a cell at the origin
    size: vec2<u32>, // of the map: height, width
    stride: vec2<u32>, // pixels between cells: down, across
    logit_pitch: u32, // floats a cell in memory
    delta_pitch: u32,
    limit: u32,
    first_slot: u32,
    min_side: f32,
    edges: u32, // of boxes
    min_logit: f32,
    unused: u32,
}

#import fpn::frame::Frame
#import fpn::order::key
#import fpn::boxes::{decode, clip, is_at_least}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<uniform> frame: Frame;
@group(0) @binding(2) var<storage, read_write> logits: array<f32>; // [cell][anchor]
@group(0) @binding(3) var<storage, read_write> deltas: array<f32>; // [cell][anchor][4]
@group(0) @binding(4) var<storage, read_write> chosen: array<u32>; // their number, then their places in `logits`
@group(0) @binding(5) var<storage, read_write> boxes: array<vec4<f32>>; // by slot
@group(0) @binding(6) var<storage, read_write> keys: array<u32>; // by slot

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
    let place = chosen[1u + index];
    let own = key(logits[place]);
    var rank = 0u;
    for (var other = 0u; other < count; other++) {
        let candidate = chosen[1u + other];
        let k = key(logits[candidate]);
        rank += select(0u, 1u, k > own || (k == own && candidate < place));
    }

    let a = place % params.logit_pitch;
    let cell = place / params.logit_pitch;
    let shift = vec2<f32>(vec2<u32>(cell % params.size.y, cell / params.size.y) * params.stride.yx);
    let start = cell * params.delta_pitch + 4u * a;
    let delta = vec4<f32>(deltas[start], deltas[start + 1u], deltas[start + 2u], deltas[start + 3u]);
    let decoded = decode(params.anchors[a] + shift.xyxy, delta, vec4<f32>(1.0), params.edges);
    let box = clip(decoded, vec2<f32>(frame.resized), params.edges);
    boxes[params.first_slot + rank] = box;
    let is_kept = is_at_least(box, params.min_side) && logits[place] >= params.min_logit;
    keys[params.first_slot + rank] = select(0u, own, is_kept);
}
