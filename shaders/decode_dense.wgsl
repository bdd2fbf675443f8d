// The listed classes of one level's anchors as candidates, behind those of the levels before, in the order
// of lists. One workgroup.

struct Params {
    anchors: array<vec4<f32>, 16>, // of a cell at the origin
    size: vec2<u32>, // of the map: height, width
    stride: vec2<u32>, // pixels between cells: down, across
    extent: vec2<f32>, // height and width that boxes are cut to; 0 for those of the resized picture
    per_cell: u32, // anchors
    classes: u32,
    first_label: u32,
    level: u32,
    box_pitch: u32, // floats a cell in memory
    first_box: u32, // of a cell, its first float
    code: u32, // what the floats of a box are: see below
    bins: u32,
    lists: u32,
    slots: u32, // of a list
    is_first: u32,
    capacity: u32,
    unused: vec2<u32>,
}

#import fpn::frame::Frame
#import fpn::boxes::{clip, decode}

const INVOCATIONS: u32 = 256u;
const BLOCKS: u32 = 2u;
// Shifts of the centre and logarithms of sizes; anything else: how far sides are from the centre, in sides of the
// anchor, or how probable it is that they are 0, 1, … as far.
const DELTAS: u32 = 0u;
const DISTANCES: u32 = 1u;

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<uniform> frame: Frame;
@group(0) @binding(2) var<storage, read_write> boxes: array<f32>; // [cell][anchor][4] or [4][bin]
@group(0) @binding(3) var<storage, read_write> scores: array<f32>; // [list][slot]
@group(0) @binding(4) var<storage, read_write> items: array<u32>; // the same: [cell][anchor][class]
@group(0) @binding(5) var<storage, read_write> counts: array<u32>; // a list
@group(0) @binding(6) var<storage, read_write> candidates: array<vec4<f32>>;
@group(0) @binding(7) var<storage, read_write> count: array<u32>;

var<workgroup> found_before: u32;

// What is expected of bins 0, 1, … with these logits.
fn expectation(first: u32) -> f32 {
    var most = boxes[first];
    for (var bin = 1u; bin < params.bins; bin++) {
        most = max(most, boxes[first + bin]);
    }
    var sum = 0.0;
    var weighted = 0.0;
    for (var bin = 0u; bin < params.bins; bin++) {
        let exponential = exp(boxes[first + bin] - most);
        sum += exponential;
        weighted += f32(bin) * exponential;
    }
    return weighted / sum;
}

fn values(first: u32) -> vec4<f32> {
    return vec4<f32>(boxes[first], boxes[first + 1u], boxes[first + 2u], boxes[first + 3u]);
}

fn box_of(anchor: vec4<f32>, cell: u32, a: u32) -> vec4<f32> {
    let first = cell * params.box_pitch + params.first_box;
    if params.code == DELTAS {
        return decode(anchor, values(first + 4u * a), vec4<f32>(1.0), 0u);
    }
    let size = anchor.zw - anchor.xy;
    let centre = 0.5 * (anchor.xy + anchor.zw);
    var distances: vec4<f32>;
    if params.code == DISTANCES {
        distances = values(first + 4u * a);
    } else {
        let start = first + 4u * params.bins * a;
        distances = vec4<f32>(
            expectation(start),
            expectation(start + params.bins),
            expectation(start + 2u * params.bins),
            expectation(start + 3u * params.bins),
        );
    }
    return vec4<f32>(centre - distances.xy * size, centre + distances.zw * size);
}

fn store(slot: u32, place: u32) {
    let item = items[slot];
    let anchor = item / params.classes;
    let cell = anchor / params.per_cell;
    let a = anchor % params.per_cell;
    let shift = vec2<f32>(vec2<u32>(cell % params.size.y, cell / params.size.y) * params.stride.yx);
    let box = box_of(params.anchors[a] + shift.xyxy, cell, a);
    let extent = select(params.extent, vec2<f32>(frame.resized), params.extent == vec2<f32>());
    let label = item % params.classes + params.first_label;
    candidates[place * BLOCKS] = clip(box, extent, 0u);
    candidates[place * BLOCKS + 1u] = vec4<f32>(scores[slot], f32(label), f32(params.level), 0.0);
}

@compute @workgroup_size(256)
fn main(@builtin(local_invocation_index) invocation: u32) {
    if invocation == 0u {
        found_before = select(count[0], 0u, params.is_first == 1u);
    }
    var before = workgroupUniformLoad(&found_before);
    for (var list = 0u; list < params.lists; list++) {
        let listed = counts[list];
        for (var slot = invocation; slot < listed; slot += INVOCATIONS) {
            if before + slot < params.capacity {
                store(list * params.slots + slot, before + slot);
            }
        }
        before += listed;
    }
    if invocation == 0u {
        count[0] = before;
    }
}
