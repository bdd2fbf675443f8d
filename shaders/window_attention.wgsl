// Attention within windows of a map: for each query the sum of its window's values, weighted by a softmax over
// how it meets their keys. An invocation makes 32 channels of a head of four queries. It meets four keys at a time
// and keeps the greatest score so far; what was summed up before is scaled down when a greater one comes (Milakov
// and Gimelshein, 2018, https://arxiv.org/abs/1805.02867). So no score is stored, and a window of keys may be of
// any size. Nothing is indexed by a loop's counter: drivers would keep it in memory.

struct Params {
    size: vec2<u32>, // height, width
    heads: u32,
    blocks: u32, // channel blocks of a head
    window: u32, // side of a window of queries
    key_window: u32, // side of a window of keys, around the same centre
    shift: u32, // how far windows lie to the right and below of where they do at 0
    scale: f32, // of scores
    direction: i32, // of the difference of a key's and a query's place, that counts biases
    first: i32, // what is added to it then
    unused: vec2<u32>,
}

#import fpn::dtype::{Stored, Result, packed, unpacked}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read_write> qkv: array<Stored>; // [y][x][queries, keys, values][head][block]
@group(0) @binding(2) var<storage, read_write> bias: array<f32>; // [position][head, filled up to fours]
@group(0) @binding(3) var<storage, read_write> result: array<Result>; // [y][x][head][block]

// What is added to scores of pixels that are no neighbours.
const FAR: f32 = -100.0;
// Less than any score.
const LEAST: f32 = -1e30;
const FOUR: vec4<u32> = vec4<u32>(0u, 1u, 2u, 3u);

// Four pixels, by their places among shifted windows.
struct Pixels {
    y: vec4<u32>,
    x: vec4<u32>,
}

// Where they lie in the map.
fn places_of(pixels: Pixels) -> vec4<u32> {
    let y = pixels.y + params.shift;
    let x = pixels.x + params.shift;
    let row = select(y, y - params.size.x, y >= vec4<u32>(params.size.x));
    return row * params.size.y + select(x, x - params.size.y, x >= vec4<u32>(params.size.y));
}

// Along an axis, the last window holds pixels from both edges of the map, which are no neighbours.
fn zones_along(place: vec4<u32>, extent: u32) -> vec4<u32> {
    return vec4<u32>(place >= vec4<u32>(extent - params.window)) + vec4<u32>(place >= vec4<u32>(extent - params.shift));
}

fn zones_of(pixels: Pixels) -> vec4<u32> {
    if params.shift == 0u {
        return vec4<u32>();
    }
    return zones_along(pixels.y, params.size.x) * 3u + zones_along(pixels.x, params.size.y);
}

// The row of a bias is counted by the places of its query and its key in their windows: the sum of both's parts.
fn rows_of(y: vec4<u32>, x: vec4<u32>) -> vec4<i32> {
    return params.direction * vec4<i32>(y * (params.window + params.key_window - 1u) + x);
}

// Four queries that follow each other, or keys.
struct Four {
    starts: vec4<u32>, // of their head's channels
    are_there: vec4<bool>, // on the map; others are zeros
    zones: vec4<u32>,
    rows: vec4<i32>, // their parts of biases' rows
}

fn queries_at(first: u32, origin: vec2<u32>, head: u32) -> Four {
    let side = params.window;
    // Past the last one, that again: what is made of it is not stored.
    let queries = min(vec4<u32>(first) + FOUR, vec4<u32>(side * side - 1u));
    let y = queries / side;
    let x = queries % side;
    let pixels = Pixels(origin.x + y, origin.y + x);
    let starts = (places_of(pixels) * 3u * params.heads + head) * params.blocks;
    return Four(starts, vec4<bool>(true), zones_of(pixels), -rows_of(y, x));
}

// Keys of a row of the window, from a column.
fn keys_at(row: u32, column: u32, origin: vec2<u32>, head: u32) -> Four {
    let margin = (params.key_window - params.window) / 2u;
    let columns = vec4<u32>(column) + FOUR;
    // Before the map's first, places are very large.
    let y = vec4<u32>(origin.x + row - margin);
    let x = origin.y + columns - margin;
    let are_there = (y < vec4<u32>(params.size.x)) & (x < vec4<u32>(params.size.y));
    let pixels = Pixels(min(y, vec4<u32>(params.size.x - 1u)), min(x, vec4<u32>(params.size.y - 1u)));
    let starts = ((places_of(pixels) * 3u + 1u) * params.heads + head) * params.blocks;
    return Four(starts, are_there, zones_of(pixels), rows_of(vec4<u32>(row), columns));
}

fn stored_block(place: u32, is_there: bool) -> vec4<f32> {
    return select(vec4<f32>(), unpacked(qkv[place]), is_there);
}

// A channel block of each: a column a pixel.
fn block_of(four: Four, block: u32) -> mat4x4<f32> {
    let places = four.starts + block;
    return mat4x4<f32>(
        stored_block(places.x, four.are_there.x),
        stored_block(places.y, four.are_there.y),
        stored_block(places.z, four.are_there.z),
        stored_block(places.w, four.are_there.w),
    );
}

fn bias_at(row: i32, head: u32) -> f32 {
    let side = i32(params.window + params.key_window - 1u);
    let counted = row + params.first * (side + 1);
    // What is negative counts from the end.
    let from_end = select(counted, counted + side * side, counted < 0);
    return bias[u32(from_end) * ((params.heads + 3u) / 4u * 4u) + head];
}

// A query's scores of four keys.
fn scores_of(met: vec4<f32>, row: i32, zone: u32, keys: Four, are_keys: vec4<bool>, head: u32) -> vec4<f32> {
    let rows = row + keys.rows;
    let biases = vec4<f32>(bias_at(rows.x, head), bias_at(rows.y, head), bias_at(rows.z, head), bias_at(rows.w, head));
    let far = select(vec4<f32>(), vec4<f32>(FAR), keys.zones != vec4<u32>(zone));
    return select(vec4<f32>(LEAST), met * params.scale + biases + far, are_keys);
}

// What four queries have summed up of 32 channels: a column a query.
struct Sums {
    block0: mat4x4<f32>,
    block1: mat4x4<f32>,
    block2: mat4x4<f32>,
    block3: mat4x4<f32>,
    block4: mat4x4<f32>,
    block5: mat4x4<f32>,
    block6: mat4x4<f32>,
    block7: mat4x4<f32>,
}

// Each column so many times.
fn scaled(sums: mat4x4<f32>, by: vec4<f32>) -> mat4x4<f32> {
    return mat4x4<f32>(sums[0] * by.x, sums[1] * by.y, sums[2] * by.z, sums[3] * by.w);
}

// A block of what four values add by their weights.
fn added(sums: mat4x4<f32>, decay: vec4<f32>, values: Four, block: u32, weights: mat4x4<f32>) -> mat4x4<f32> {
    // Past the head's last, that again: what is made of it is not stored.
    return scaled(sums, decay) + block_of(values, min(block, params.blocks - 1u)) * weights;
}

fn store(sums: mat4x4<f32>, starts: vec4<u32>, block: u32, count: u32) {
    if block >= params.blocks {
        return;
    }
    result[starts.x + block] = packed(sums[0]);
    if count > 1u {
        result[starts.y + block] = packed(sums[1]);
    }
    if count > 2u {
        result[starts.z + block] = packed(sums[2]);
    }
    if count > 3u {
        result[starts.w + block] = packed(sums[3]);
    }
}

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) workgroups: vec3<u32>) {
    let index = id.x + id.y * workgroups.x * 64u;
    let side = params.window;
    let windows = params.size / side;
    let quads = (side * side + 3u) / 4u;
    let parts = (params.blocks + 7u) / 8u;
    let first_query = index % quads * 4u;
    let first_block = index / quads % parts * 8u;
    let head = index / quads / parts % params.heads;
    let window = index / quads / parts / params.heads;
    if window >= windows.x * windows.y {
        return;
    }
    let origin = vec2<u32>(window / windows.y, window % windows.y) * side;
    let queries = queries_at(first_query, origin, head);

    var sums: Sums;
    var peaks = vec4<f32>(LEAST);
    var totals = vec4<f32>();
    for (var row = 0u; row < params.key_window; row++) {
        for (var column = 0u; column < params.key_window; column += 4u) {
            var keys = keys_at(row, column, origin, head);
            var met = mat4x4<f32>();
            for (var block = 0u; block < params.blocks; block++) {
                met += transpose(block_of(keys, block)) * block_of(queries, block);
            }
            let are_keys = vec4<u32>(column) + FOUR < vec4<u32>(params.key_window);
            let scores = mat4x4<f32>(
                scores_of(met[0], queries.rows.x, queries.zones.x, keys, are_keys, head),
                scores_of(met[1], queries.rows.y, queries.zones.y, keys, are_keys, head),
                scores_of(met[2], queries.rows.z, queries.zones.z, keys, are_keys, head),
                scores_of(met[3], queries.rows.w, queries.zones.w, keys, are_keys, head),
            );
            let by_key = transpose(scores);
            let reached = max(max(peaks, max(by_key[0], by_key[1])), max(by_key[2], by_key[3]));
            let decay = exp(peaks - reached);
            peaks = reached;
            let weights = mat4x4<f32>(
                exp(scores[0] - reached.x),
                exp(scores[1] - reached.y),
                exp(scores[2] - reached.z),
                exp(scores[3] - reached.w),
            );
            totals = totals * decay + vec4<f32>(1.0) * weights;
            // Values lie behind all heads' keys.
            keys.starts += params.heads * params.blocks;
            sums.block0 = added(sums.block0, decay, keys, first_block, weights);
            sums.block1 = added(sums.block1, decay, keys, first_block + 1u, weights);
            sums.block2 = added(sums.block2, decay, keys, first_block + 2u, weights);
            sums.block3 = added(sums.block3, decay, keys, first_block + 3u, weights);
            sums.block4 = added(sums.block4, decay, keys, first_block + 4u, weights);
            sums.block5 = added(sums.block5, decay, keys, first_block + 5u, weights);
            sums.block6 = added(sums.block6, decay, keys, first_block + 6u, weights);
            sums.block7 = added(sums.block7, decay, keys, first_block + 7u, weights);
        }
    }

    // A result has a third of the channels.
    let starts = ((queries.starts / params.blocks - head) / 3u + head) * params.blocks;
    let share = 1.0 / totals;
    let count = side * side - first_query;
    store(scaled(sums.block0, share), starts, first_block, count);
    store(scaled(sums.block1, share), starts, first_block + 1u, count);
    store(scaled(sums.block2, share), starts, first_block + 2u, count);
    store(scaled(sums.block3, share), starts, first_block + 3u, count);
    store(scaled(sums.block4, share), starts, first_block + 4u, count);
    store(scaled(sums.block5, share), starts, first_block + 5u, count);
    store(scaled(sums.block6, share), starts, first_block + 6u, count);
    store(scaled(sums.block7, share), starts, first_block + 7u, count);
}
