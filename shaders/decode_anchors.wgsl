// The anchors of one level of a one-stage detector that score enough, decoded, behind those of the
// levels before, in the order of cell and anchor. One workgroup; an invocation takes anchors that follow
// each other.
//
// A candidate is five vec4: its box; ten values of landmarks and two unused; its score, label and
// level.

struct Params {
    anchors: array<vec4<f32>, 16>, // of a cell at the origin: centre, size
    size: vec2<u32>, // of the map: height, width
    stride: vec2<u32>, // pixels between cells: down, across
    per_cell: u32, // anchors
    level: u32,
    class_pitch: u32, // floats a cell in memory
    box_pitch: u32,
    landmark_pitch: u32,
    is_first: u32,
    score_threshold: f32,
    by_offset: f32, // variances
    by_size: f32,
    capacity: u32,
    unused: vec2<u32>,
}

#import fpn::scan::exclusive

const INVOCATIONS: u32 = 256u;
const BLOCKS: u32 = 5u;

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read_write> classes: array<f32>; // [cell][anchor][2]
@group(0) @binding(2) var<storage, read_write> boxes: array<f32>; // [cell][anchor][4]
@group(0) @binding(3) var<storage, read_write> landmarks: array<f32>; // [cell][anchor][10]
@group(0) @binding(4) var<storage, read_write> candidates: array<vec4<f32>>;
@group(0) @binding(5) var<storage, read_write> count: array<u32>;

var<workgroup> found_before: u32;

// Which one of which cell; counted on, since a division takes longer than a score.
struct Anchor {
    cell: u32,
    a: u32,
}

fn behind(anchor: Anchor) -> Anchor {
    let is_last = anchor.a + 1u == params.per_cell;
    return Anchor(select(anchor.cell, anchor.cell + 1u, is_last), select(anchor.a + 1u, 0u, is_last));
}

fn score_of(anchor: Anchor) -> f32 {
    let start = anchor.cell * params.class_pitch + anchor.a * 2u;
    let logits = vec2<f32>(classes[start], classes[start + 1u]);
    let exponentials = exp(logits - max(logits.x, logits.y));
    return exponentials.y / (exponentials.x + exponentials.y);
}

fn store(anchor: Anchor, score: f32, place: u32) {
    let cell = anchor.cell;
    let a = anchor.a;
    let prior = params.anchors[a];
    let size = prior.zw;
    let centre = prior.xy + vec2<f32>(vec2<u32>(cell % params.size.y, cell / params.size.y) * params.stride.yx);

    let from_box = cell * params.box_pitch + 4u * a;
    let offset = vec2<f32>(boxes[from_box], boxes[from_box + 1u]);
    let growth = vec2<f32>(boxes[from_box + 2u], boxes[from_box + 3u]);
    let own_centre = centre + offset * params.by_offset * size;
    let own_size = size * exp(growth * params.by_size);
    let low = own_centre - own_size / 2.0;
    candidates[place * BLOCKS] = vec4<f32>(low, low + own_size);

    let from_landmark = cell * params.landmark_pitch + 10u * a;
    var points: array<vec2<f32>, 6>;
    for (var point = 0u; point < 5u; point++) {
        let start = from_landmark + 2u * point;
        let delta = vec2<f32>(landmarks[start], landmarks[start + 1u]);
        points[point] = centre + delta * params.by_offset * size;
    }
    for (var pair = 0u; pair < 3u; pair++) {
        candidates[place * BLOCKS + 1u + pair] = vec4<f32>(points[2u * pair], points[2u * pair + 1u]);
    }
    let tags = vec2<f32>(1.0, f32(params.level));
    candidates[place * BLOCKS + 4u] = vec4<f32>(score, tags, 0.0);
}

@compute @workgroup_size(256)
fn main(@builtin(local_invocation_index) invocation: u32) {
    let anchors = params.size.x * params.size.y * params.per_cell;
    let share = (anchors + INVOCATIONS - 1u) / INVOCATIONS;
    let first = min(invocation * share, anchors);
    let last = min(first + share, anchors);
    if invocation == 0u {
        found_before = select(count[0], 0u, params.is_first == 1u);
    }
    let before = workgroupUniformLoad(&found_before);

    let start = Anchor(first / params.per_cell, first % params.per_cell);
    var own = 0u;
    var anchor = start;
    for (var index = first; index < last; index++) {
        if score_of(anchor) > params.score_threshold {
            own++;
        }
        anchor = behind(anchor);
    }
    let place = exclusive(invocation, own);
    var next = before + place.x;
    anchor = start;
    for (var index = first; index < last; index++) {
        let score = score_of(anchor);
        if score > params.score_threshold {
            if next < params.capacity {
                store(anchor, score, next);
            }
            next++;
        }
        anchor = behind(anchor);
    }
    if invocation == 0u {
        count[0] = before + place.y;
    }
}
