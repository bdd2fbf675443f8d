// Attention within windows of a map: for each query the sum of its window's values, weighted by a softmax over
// how it meets their keys. An invocation makes 32 channels of a head of two queries. It meets four keys at a time
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

// Where the pixel at a place among shifted windows lies.
fn pixel_at(place: vec2<u32>) -> u32 {
    let y = place.x + params.shift;
    let x = place.y + params.shift;
    return select(y, y - params.size.x, y >= params.size.x) * params.size.y
        + select(x, x - params.size.y, x >= params.size.y);
}

// The last windows hold pixels from both edges of the map, which are no neighbours.
fn zone_of(place: vec2<u32>) -> u32 {
    let zone = vec2<u32>(place >= params.size - params.window) + vec2<u32>(place >= params.size - params.shift);
    return select(0u, zone.x * 3u + zone.y, params.shift > 0u);
}

// The row of biases of a query or a key is the sum of both's parts.
fn position_of(place: vec2<i32>) -> i32 {
    return params.direction * (place.x * i32(params.window + params.key_window - 1u) + place.y);
}

// 32 channels of a pixel.
struct Part {
    block0: vec4<f32>,
    block1: vec4<f32>,
    block2: vec4<f32>,
    block3: vec4<f32>,
    block4: vec4<f32>,
    block5: vec4<f32>,
    block6: vec4<f32>,
    block7: vec4<f32>,
}

struct Query {
    start: u32, // of its channels
    zone: u32,
    position: i32, // its part of a bias's row
    part: Part,
    sums: Part,
    peak: f32, // the greatest score so far
    total: f32, // of the weights
}

fn query_block(start: u32, block: u32) -> vec4<f32> {
    let place = start + min(block, params.blocks - 1u);
    return select(vec4<f32>(), unpacked(qkv[place]), block < params.blocks);
}

// Zeros past the head's last channel, whatever is met there.
fn query_part(start: u32, first: u32) -> Part {
    return Part(
        query_block(start, first),
        query_block(start, first + 1u),
        query_block(start, first + 2u),
        query_block(start, first + 3u),
        query_block(start, first + 4u),
        query_block(start, first + 5u),
        query_block(start, first + 6u),
        query_block(start, first + 7u),
    );
}

fn query_of(place: vec2<u32>, origin: vec2<u32>, head: u32) -> Query {
    let stored = origin + place;
    let start = (pixel_at(stored) * 3u * params.heads + head) * params.blocks;
    var query: Query;
    query.start = start;
    query.zone = zone_of(stored);
    query.position = -position_of(vec2<i32>(place));
    query.part = query_part(start, 0u);
    query.peak = LEAST;
    return query;
}

// Four keys that follow each other, and their values.
struct Keys {
    starts: vec4<u32>, // of their channels
    are_there: vec4<bool>, // on the map; others are zeros
    zones: vec4<u32>,
    position: i32, // the first one's part of a bias's row
    count: u32,
}

fn stored_block(place: u32, is_there: bool) -> vec4<f32> {
    return select(vec4<f32>(), unpacked(qkv[place]), is_there);
}

// A block of each: a column a key. Past the head's last it is the last: what is made of it is not stored.
fn key_block(keys: Keys, block: u32) -> mat4x4<f32> {
    let places = keys.starts + min(block, params.blocks - 1u);
    return mat4x4<f32>(
        stored_block(places.x, keys.are_there.x),
        stored_block(places.y, keys.are_there.y),
        stored_block(places.z, keys.are_there.z),
        stored_block(places.w, keys.are_there.w),
    );
}

fn bias_at(position: i32, head: u32) -> f32 {
    let side = i32(params.window + params.key_window - 1u);
    let row = position + params.first * (side + 1);
    // What is negative counts from the end.
    let counted = u32(select(row, row + side * side, row < 0));
    return bias[counted * ((params.heads + 3u) / 4u * 4u) + head];
}

// How a query meets four keys: their weights, after what was summed up is brought to the same scale.
fn weigh(query: ptr<function, Query>, met: vec4<f32>, keys: Keys, head: u32) -> vec4<f32> {
    let position = (*query).position + keys.position;
    let step = params.direction;
    let biases = vec4<f32>(
        bias_at(position, head),
        bias_at(position + step, head),
        bias_at(position + 2 * step, head),
        bias_at(position + 3 * step, head),
    );
    let far = select(vec4<f32>(), vec4<f32>(FAR), keys.zones != vec4<u32>((*query).zone));
    let is_key = vec4<u32>(0u, 1u, 2u, 3u) < vec4<u32>(keys.count);
    let scores = select(vec4<f32>(LEAST), met * params.scale + biases + far, is_key);
    let greatest = max(max(scores.x, scores.y), max(scores.z, scores.w));
    let peak = max((*query).peak, greatest);
    let decay = exp((*query).peak - peak);
    let weights = exp(scores - peak);
    (*query).peak = peak;
    (*query).total = (*query).total * decay + ((weights.x + weights.y) + (weights.z + weights.w));
    (*query).sums.block0 *= decay;
    (*query).sums.block1 *= decay;
    (*query).sums.block2 *= decay;
    (*query).sums.block3 *= decay;
    (*query).sums.block4 *= decay;
    (*query).sums.block5 *= decay;
    (*query).sums.block6 *= decay;
    (*query).sums.block7 *= decay;
    return weights;
}

fn store_block(query: Query, sum: vec4<f32>, pixel: u32, block: u32, head: u32) {
    if block < params.blocks {
        result[(pixel * params.heads + head) * params.blocks + block] = packed(sum / query.total);
    }
}

fn store(query: Query, place: vec2<u32>, first: u32, head: u32) {
    let pixel = pixel_at(place);
    store_block(query, query.sums.block0, pixel, first, head);
    store_block(query, query.sums.block1, pixel, first + 1u, head);
    store_block(query, query.sums.block2, pixel, first + 2u, head);
    store_block(query, query.sums.block3, pixel, first + 3u, head);
    store_block(query, query.sums.block4, pixel, first + 4u, head);
    store_block(query, query.sums.block5, pixel, first + 5u, head);
    store_block(query, query.sums.block6, pixel, first + 6u, head);
    store_block(query, query.sums.block7, pixel, first + 7u, head);
}

// Four keys of a window's row, from a place in the window.
fn keys_at(origin: vec2<u32>, row: u32, column: u32, head: u32) -> Keys {
    let margin = (params.key_window - params.window) / 2u;
    // Before the map's first, these are very large.
    let y = origin.x + row - margin;
    let x = vec4<u32>(origin.y + column - margin) + vec4<u32>(0u, 1u, 2u, 3u);
    let are_there = (vec4<bool>(y < params.size.x) & (x < vec4<u32>(params.size.y)));
    let down = min(y, params.size.x - 1u);
    let across = min(x, vec4<u32>(params.size.y - 1u));
    let pixels = vec4<u32>(
        pixel_at(vec2<u32>(down, across.x)),
        pixel_at(vec2<u32>(down, across.y)),
        pixel_at(vec2<u32>(down, across.z)),
        pixel_at(vec2<u32>(down, across.w)),
    );
    let zones = vec4<u32>(
        zone_of(vec2<u32>(down, across.x)),
        zone_of(vec2<u32>(down, across.y)),
        zone_of(vec2<u32>(down, across.z)),
        zone_of(vec2<u32>(down, across.w)),
    );
    return Keys(
        (pixels * 3u * params.heads + params.heads + head) * params.blocks,
        are_there,
        zones,
        position_of(vec2<i32>(i32(row), i32(column))),
        params.key_window - column,
    );
}

@compute @workgroup_size(32)
fn main(
    @builtin(local_invocation_index) invocation: u32,
    // The keys' places come from the group: drivers then see that all invocations read the same ones.
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(num_workgroups) workgroups: vec3<u32>,
) {
    let side = params.window;
    let windows = params.size / side;
    let parts = (params.blocks + 7u) / 8u;
    let tiles = (side * side + 63u) / 64u;
    let tile = workgroup.x + workgroup.y * workgroups.x;
    let part = tile / tiles % parts;
    let head = tile / tiles / parts % params.heads;
    let window = tile / tiles / parts / params.heads;
    let first_query = (tile % tiles * 32u + invocation) * 2u;
    if window >= windows.x * windows.y || first_query >= side * side {
        return;
    }
    let origin = vec2<u32>(window / windows.y, window % windows.y) * side;
    // Past the last query, that one again.
    let second_query = min(first_query + 1u, side * side - 1u);
    let place = vec2<u32>(first_query / side, first_query % side);
    let second_place = vec2<u32>(second_query / side, second_query % side);
    var query = query_of(place, origin, head);
    var second = query_of(second_place, origin, head);

    for (var row = 0u; row < params.key_window; row++) {
        for (var column = 0u; column < params.key_window; column += 4u) {
            var keys = keys_at(origin, row, column, head);
            var met = vec4<f32>();
            var second_met = vec4<f32>();
            for (var other = 0u; other < parts; other++) {
                let first = other * 8u;
                if parts > 1u {
                    query.part = query_part(query.start, first);
                    second.part = query_part(second.start, first);
                }
                let keys0 = key_block(keys, first);
                met += query.part.block0 * keys0;
                second_met += second.part.block0 * keys0;
                let keys1 = key_block(keys, first + 1u);
                met += query.part.block1 * keys1;
                second_met += second.part.block1 * keys1;
                let keys2 = key_block(keys, first + 2u);
                met += query.part.block2 * keys2;
                second_met += second.part.block2 * keys2;
                let keys3 = key_block(keys, first + 3u);
                met += query.part.block3 * keys3;
                second_met += second.part.block3 * keys3;
                let keys4 = key_block(keys, first + 4u);
                met += query.part.block4 * keys4;
                second_met += second.part.block4 * keys4;
                let keys5 = key_block(keys, first + 5u);
                met += query.part.block5 * keys5;
                second_met += second.part.block5 * keys5;
                let keys6 = key_block(keys, first + 6u);
                met += query.part.block6 * keys6;
                second_met += second.part.block6 * keys6;
                let keys7 = key_block(keys, first + 7u);
                met += query.part.block7 * keys7;
                second_met += second.part.block7 * keys7;
            }
            let weights = weigh(&query, met, keys, head);
            let second_weights = weigh(&second, second_met, keys, head);
            // Values lie behind all heads' keys.
            keys.starts += params.heads * params.blocks;
            let first = part * 8u;
            let values0 = key_block(keys, first);
            query.sums.block0 += values0 * weights;
            second.sums.block0 += values0 * second_weights;
            let values1 = key_block(keys, first + 1u);
            query.sums.block1 += values1 * weights;
            second.sums.block1 += values1 * second_weights;
            let values2 = key_block(keys, first + 2u);
            query.sums.block2 += values2 * weights;
            second.sums.block2 += values2 * second_weights;
            let values3 = key_block(keys, first + 3u);
            query.sums.block3 += values3 * weights;
            second.sums.block3 += values3 * second_weights;
            let values4 = key_block(keys, first + 4u);
            query.sums.block4 += values4 * weights;
            second.sums.block4 += values4 * second_weights;
            let values5 = key_block(keys, first + 5u);
            query.sums.block5 += values5 * weights;
            second.sums.block5 += values5 * second_weights;
            let values6 = key_block(keys, first + 6u);
            query.sums.block6 += values6 * weights;
            second.sums.block6 += values6 * second_weights;
            let values7 = key_block(keys, first + 7u);
            query.sums.block7 += values7 * weights;
            second.sums.block7 += values7 * second_weights;
        }
    }

    store(query, origin + place, part * 8u, head);
    if second_query != first_query {
        store(second, origin + second_place, part * 8u, head);
    }
}
