// Every (RoI, class) pair but the background's that scores enough, decoded and clipped, in the order
// of RoI and class. One workgroup; an invocation takes RoIs that follow each other, and knows from the
// others' counts where to write.
//
// A candidate is two vec4: its box; its score, label and level.

struct Params {
    weights: vec4<f32>, // of the box coder
    classes: u32,
    logit_pitch: u32, // floats a RoI in memory
    delta_pitch: u32,
    capacity: u32,
    score_threshold: f32,
    min_side: f32,
    delta_step: u32, // floats from one class's deltas to the next's; 0 where all have the same
    edges: u32, // of boxes
    first_class: u32, // that is not the background
    unused_a: u32,
    unused_b: u32,
    unused_c: u32,
}

#import fpn::frame::Frame
#import fpn::boxes::{decode, clip, is_at_least}
#import fpn::scan::exclusive

const INVOCATIONS: u32 = 256u;

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<uniform> frame: Frame;
@group(0) @binding(2) var<storage, read_write> logits: array<f32>; // [roi][class]
@group(0) @binding(3) var<storage, read_write> deltas: array<f32>; // [roi][class][4], or [roi][4]
@group(0) @binding(4) var<storage, read_write> proposals: array<vec4<f32>>;
@group(0) @binding(5) var<storage, read_write> levels: array<u32>;
@group(0) @binding(6) var<storage, read_write> proposal_count: array<u32>;
@group(0) @binding(7) var<storage, read_write> candidates: array<vec4<f32>>;
@group(0) @binding(8) var<storage, read_write> count: array<u32>;

// Loops run over places in memory: where they ran up to a uniform number of classes, lavapipe compiled this shader anew
// with every dispatch (`tests/memory.rs`).

// Highest logit of a RoI, and the sum of the exponentials.
fn normalizer(roi: u32) -> vec2<f32> {
    let start = roi * params.logit_pitch;
    let end = start + params.classes;
    var highest = logits[start];
    for (var place = start + 1u; place < end; place++) {
        highest = max(highest, logits[place]);
    }
    var sum = 0.0;
    for (var place = start; place < end; place++) {
        sum += exp(logits[place] - highest);
    }
    return vec2<f32>(highest, sum);
}

fn score_of(roi: u32, class_index: u32, normal: vec2<f32>) -> f32 {
    return exp(logits[roi * params.logit_pitch + class_index] - normal.x) / normal.y;
}

fn box_of(roi: u32, class_index: u32) -> vec4<f32> {
    let start = roi * params.delta_pitch + params.delta_step * class_index;
    let delta = vec4<f32>(deltas[start], deltas[start + 1u], deltas[start + 2u], deltas[start + 3u]);
    let box = decode(proposals[roi], delta, params.weights, params.edges);
    return clip(box, vec2<f32>(frame.resized), params.edges);
}

@compute @workgroup_size(256)
fn main(@builtin(local_invocation_index) invocation: u32) {
    let rois = proposal_count[0];
    let share = (rois + INVOCATIONS - 1u) / INVOCATIONS;
    let first = min(invocation * share, rois);
    let last = min(first + share, rois);

    var own = 0u;
    for (var roi = first; roi < last; roi++) {
        let normal = normalizer(roi);
        let start = roi * params.logit_pitch + params.first_class;
        for (var place = start; place < start + params.classes - 1u; place++) {
            let class_index = place - start + params.first_class;
            if score_of(roi, class_index, normal) > params.score_threshold
                && is_at_least(box_of(roi, class_index), params.min_side) {
                own++;
            }
        }
    }
    let place = exclusive(invocation, own);
    var next = place.x;
    for (var roi = first; roi < last; roi++) {
        let normal = normalizer(roi);
        let start = roi * params.logit_pitch + params.first_class;
        for (var place = start; place < start + params.classes - 1u; place++) {
            let class_index = place - start + params.first_class;
            let score = score_of(roi, class_index, normal);
            let box = box_of(roi, class_index);
            if score > params.score_threshold && is_at_least(box, params.min_side) {
                if next < params.capacity {
                    let tags = vec2<f32>(f32(class_index + 1u - params.first_class), f32(levels[roi]));
                    candidates[2u * next] = box;
                    candidates[2u * next + 1u] = vec4<f32>(score, tags, 0.0);
                }
                next++;
            }
        }
    }
    if invocation == 0u {
        count[0] = place.y;
    }
}
