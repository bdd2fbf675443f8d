// Where each RoI's heat maps are highest, as wide and high as the RoI: resized bicubically to whole pixels, the
// first of the highest. A workgroup takes a heat map.

struct Params {
    size: vec2<u32>, // of a heat map: height, width
    keypoints: u32,
    pitch: u32, // floats a cell in memory
    row: u32, // floats of a RoI that is made
    unused_a: u32,
    unused_b: u32,
    unused_c: u32,
}

const INVOCATIONS: u32 = 256u;

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read_write> maps: array<f32>; // [RoI][cell][keypoint]
@group(0) @binding(2) var<storage, read_write> boxes: array<vec4<f32>>; // a RoI
@group(0) @binding(3) var<storage, read_write> count: array<u32>; // of RoIs
@group(0) @binding(4) var<storage, read_write> keypoints: array<f32>; // [RoI][keypoint][x, y, score]

var<workgroup> map: array<f32, 3136>;
var<workgroup> best_values: array<f32, 256>;
var<workgroup> best_places: array<u32, 256>;
var<workgroup> rois: u32;

// The four cells around a place between cells, cut to the map, and what each counts: Keys' cubic, a = -0.75.
struct Taps {
    cells: vec4<u32>,
    weights: vec4<f32>,
}

fn taps(pixel: u32, scale: f32, cells: u32) -> Taps {
    let place = (f32(pixel) + 0.5) * scale - 0.5;
    let low = floor(place);
    let t = place - low;
    let near = vec2<f32>(t, 1.0 - t);
    let far = near + 1.0;
    let of_far = ((-0.75 * far + 3.75) * far - 6.0) * far + 3.0;
    let of_near = (1.25 * near - 2.25) * near * near + 1.0;
    let first = i32(low) - 1;
    let four = clamp(first + vec4<i32>(0, 1, 2, 3), vec4<i32>(), vec4<i32>(i32(cells) - 1));
    return Taps(vec4<u32>(four), vec4<f32>(of_far.x, of_near.x, of_near.y, of_far.y));
}

fn across(y: u32, columns: Taps) -> f32 {
    let first = y * params.size.y;
    let values = vec4<f32>(
        map[first + columns.cells.x],
        map[first + columns.cells.y],
        map[first + columns.cells.z],
        map[first + columns.cells.w],
    );
    return dot(values, columns.weights);
}

fn value_of(rows: Taps, columns: Taps) -> f32 {
    let values = vec4<f32>(
        across(rows.cells.x, columns),
        across(rows.cells.y, columns),
        across(rows.cells.z, columns),
        across(rows.cells.w, columns),
    );
    return dot(values, rows.weights);
}

fn precedes(a: u32, b: u32) -> bool {
    let is_higher = best_values[a] > best_values[b];
    return is_higher || (best_values[a] == best_values[b] && best_places[a] < best_places[b]);
}

@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) id: vec3<u32>, @builtin(local_invocation_index) invocation: u32) {
    let keypoint = id.x;
    let roi = id.y;
    if invocation == 0u {
        rois = count[0];
    }
    if roi >= workgroupUniformLoad(&rois) {
        return;
    }
    let cells = params.size.x * params.size.y;
    for (var cell = invocation; cell < cells; cell += INVOCATIONS) {
        map[cell] = maps[(roi * cells + cell) * params.pitch + keypoint];
    }
    workgroupBarrier();

    let box = boxes[roi];
    let extent = max(box.zw - box.xy, vec2<f32>(1.0));
    let whole = ceil(extent);
    let width = u32(whole.x);
    let scale = vec2<f32>(params.size.yx) / whole;
    // Of an invocation's pixels those of a row follow each other by its step.
    var best = -3.4e38;
    var place = 0u;
    for (var y = invocation / 32u; y < u32(whole.y); y += INVOCATIONS / 32u) {
        let rows = taps(y, scale.y, params.size.x);
        for (var x = invocation % 32u; x < width; x += 32u) {
            let value = value_of(rows, taps(x, scale.x, params.size.y));
            if value > best {
                best = value;
                place = y * width + x;
            }
        }
    }
    best_values[invocation] = best;
    best_places[invocation] = place;
    for (var reach = INVOCATIONS / 2u; reach > 0u; reach /= 2u) {
        workgroupBarrier();
        if invocation < reach && precedes(invocation + reach, invocation) {
            best_values[invocation] = best_values[invocation + reach];
            best_places[invocation] = best_places[invocation + reach];
        }
    }
    if invocation == 0u {
        let highest = vec2<f32>(vec2<u32>(best_places[0] % width, best_places[0] / width));
        let point = box.xy + (highest + 0.5) * (extent / whole);
        let first = roi * params.row + 3u * keypoint;
        keypoints[first] = point.x;
        keypoints[first + 1u] = point.y;
        keypoints[first + 2u] = best_values[0];
    }
}
