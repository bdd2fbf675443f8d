// RoIAlign over #{LEVELS} levels of a pyramid, neighbours of each other: RoIs of others are left as they
// are. An invocation makes four channels of one cell of one RoI.

struct Params {
    sizes: array<vec4<u32>, 2>, // heights and widths of the maps, two by two
    scales: vec4<f32>, // cells a pixel
    rois: u32, // capacity
    blocks: u32, // channel blocks
    sampling_ratio: u32, // 0: as many as the cell is pixels wide
    aligned: u32,
    cells: vec2<u32>, // rows, columns of the output
    canonical_size: f32, // side of the boxes that belong to the canonical level, in pixels
    canonical_level: f32, // its number
    finest: f32, // numbers of the first and the last level of the pyramid
    coarsest: f32,
    first: u32, // number of the first level here
    unused_a: u32,
    epsilons: vec2<f32>, // added to a side in canonical ones, and to its logarithm
    unused_b: vec2<u32>,
}

#import fpn::boxes::makes_sense
#import fpn::dtype::{Stored, Result, packed, unpacked}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read_write> boxes: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read_write> count: array<u32>;
@group(0) @binding(3) var<storage, read_write> result: array<Result>; // [roi][row][column][block]
@group(0) @binding(4) var<storage, read_write> level_0: array<Stored>; // [y][x][block]
#if LEVELS >= 2
@group(0) @binding(5) var<storage, read_write> level_1: array<Stored>;
#endif
#if LEVELS >= 3
@group(0) @binding(6) var<storage, read_write> level_2: array<Stored>;
#endif
#if LEVELS >= 4
@group(0) @binding(7) var<storage, read_write> level_3: array<Stored>;
#endif

fn load(level: u32, cell: u32, block: u32) -> vec4<f32> {
    let index = cell * params.blocks + block;
#if LEVELS >= 2
    switch level {
        case 1u: { return unpacked(level_1[index]); }
#if LEVELS >= 3
        case 2u: { return unpacked(level_2[index]); }
#endif
#if LEVELS >= 4
        case 3u: { return unpacked(level_3[index]); }
#endif
        default: { return unpacked(level_0[index]); }
    }
#else
    return unpacked(level_0[index]);
#endif
}

// The number of the level for a box of this size.
fn level_of(box: vec4<f32>) -> u32 {
    let side = sqrt((box.z - box.x) * (box.w - box.y));
    let doublings = log2(side / params.canonical_size + params.epsilons.x);
    let level = floor(params.canonical_level + doublings + params.epsilons.y);
    return u32(clamp(level, params.finest, params.coarsest));
}

// The first of a cell's samples that can lie on a map of this size, and the end of these, where there is
// about one a map's cell: the cell begins at `begin` and is `cell` wide.
fn near_map(begin: f32, cell: f32, samples: u32, size: u32) -> vec2<u32> {
    // From one sample to the next; more than a half, but where there is only one.
    let step = max(cell / f32(samples), 0.5);
    // By four samples more than that, for what rounding errs.
    let first = max(floor((-1.0 - begin) / step) - 4.0, 0.0);
    let end = max(ceil((f32(size) - begin) / step) + 4.0, 0.0);
    return min(vec2<u32>(u32(first), u32(end)), vec2<u32>(samples));
}

// The two cells between which a sample falls along one axis, and their weights; both are 0 where it
// falls more than a cell outside.
struct Tap {
    low: u32,
    high: u32,
    far: f32,
    near: f32,
}

fn tap(position: f32, size: u32) -> Tap {
    if !(position >= -1.0 && position <= f32(size)) {
        return Tap(0u, 0u, 0.0, 0.0);
    }
    let place = max(position, 0.0);
    let low = min(u32(place), size - 1u);
    let high = min(low + 1u, size - 1u);
    let near = select(place - f32(low), 0.0, low == high);
    return Tap(low, high, 1.0 - near, near);
}

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) workgroups: vec3<u32>) {
    let index = id.x + id.y * workgroups.x * 64u;
    let cells = params.cells.x * params.cells.y;
    let roi = index / (cells * params.blocks);
    if roi >= params.rois {
        return;
    }
    if roi >= count[0] || !makes_sense(boxes[roi]) {
        // What is not meant is at least finite.
        result[index] = packed(vec4<f32>());
        return;
    }
    let block = index % params.blocks;
    let cell = index / params.blocks % cells;
    let row = f32(cell / params.cells.y);
    let column = f32(cell % params.cells.y);

    let box = boxes[roi];
    // A level before the first becomes one far behind the last.
    let level = level_of(box) - params.first;
    if level >= #{LEVELS}u {
        return;
    }
    let pair = params.sizes[level / 2u];
    let size = select(pair.xy, pair.zw, level % 2u == 1u);
    let offset = select(0.0, 0.5, params.aligned == 1u);
    let least = select(1.0, 0.0, params.aligned == 1u);
    let scaled = box * params.scales[level] - offset;
    let extent = max(scaled.wz - scaled.yx, vec2<f32>(least)); // height, width
    let cell_size = extent / vec2<f32>(params.cells);
    var samples = vec2<u32>(params.sampling_ratio);
    if params.sampling_ratio == 0u {
        samples = vec2<u32>(ceil(cell_size));
    }

    let begin = scaled.yx + vec2<f32>(row, column) * cell_size;
    var near_y = vec2<u32>(0u, samples.x);
    var near_x = vec2<u32>(0u, samples.y);
    if params.sampling_ratio == 0u {
        near_y = near_map(begin.x, cell_size.x, samples.x, size.x);
        near_x = near_map(begin.y, cell_size.y, samples.y, size.y);
    }

    var sum = vec4<f32>();
    for (var sy = near_y.x; sy < near_y.y; sy++) {
        let y = tap(begin.x + (f32(sy) + 0.5) * cell_size.x / f32(samples.x), size.x);
        for (var sx = near_x.x; sx < near_x.y; sx++) {
            let x = tap(begin.y + (f32(sx) + 0.5) * cell_size.y / f32(samples.y), size.y);
            sum += y.far * x.far * load(level, y.low * size.y + x.low, block)
                + y.far * x.near * load(level, y.low * size.y + x.high, block)
                + y.near * x.far * load(level, y.high * size.y + x.low, block)
                + y.near * x.near * load(level, y.high * size.y + x.high, block);
        }
    }
    result[index] = packed(sum / max(f32(samples.x) * f32(samples.y), 1.0));
}
