// Of each stretch of a level's items, of which an item is a class of an anchor of a cell, those that score
// enough; no more than a list has room for, the highest of them, ties to the earlier item. In the order of
// items. A workgroup takes a stretch and fills a list; an invocation takes items that follow each other.
//
// The items of LISTS are those of such lists, of which it makes fewer.

struct Params {
    items: u32,
    share: u32, // of an invocation, a multiple of 4
    row: u32, // items of a cell, or of a list
    pitch: u32, // floats from one row to the next
    centre_pitch: u32, // the same of centreness
    limit: u32, // of a list that is made
    score_threshold: f32,
    unused: u32,
}

#import fpn::order::key
#import fpn::radix::{EVERYTHING, Cut, are_above, clear, lower, tally}
#import fpn::scan::exclusive

const INVOCATIONS: u32 = 256u;

@group(0) @binding(0) var<uniform> params: Params;
#ifdef LISTS
@group(0) @binding(1) var<storage, read_write> scores: array<f32>; // [list][slot]
@group(0) @binding(2) var<storage, read_write> items: array<u32>; // the same
@group(0) @binding(3) var<storage, read_write> counts: array<u32>; // a list
@group(0) @binding(4) var<storage, read_write> top_scores: array<f32>;
@group(0) @binding(5) var<storage, read_write> top_items: array<u32>;
@group(0) @binding(6) var<storage, read_write> top_counts: array<u32>;
#endif
#ifdef PLAIN
@group(0) @binding(1) var<storage, read_write> classes: array<f32>; // [cell][anchor][class]
@group(0) @binding(2) var<storage, read_write> top_scores: array<f32>; // [list][slot]
@group(0) @binding(3) var<storage, read_write> top_items: array<u32>; // the same
@group(0) @binding(4) var<storage, read_write> top_counts: array<u32>; // a list
#endif
#ifdef CENTRED
@group(0) @binding(1) var<storage, read_write> classes: array<f32>; // [cell][class]
@group(0) @binding(2) var<storage, read_write> centreness: array<f32>; // [cell]
@group(0) @binding(3) var<storage, read_write> top_scores: array<f32>; // [list][slot]
@group(0) @binding(4) var<storage, read_write> top_items: array<u32>; // the same
@group(0) @binding(5) var<storage, read_write> top_counts: array<u32>; // a list
#endif

var<workgroup> passing: u32;

// Which item of which row; counted on, since a division takes longer than a score.
struct Item {
    index: u32,
    row: u32,
    column: u32,
}

fn behind(item: Item) -> Item {
    let is_last = item.column + 1u == params.row;
    return Item(
        item.index + 1u,
        select(item.row, item.row + 1u, is_last),
        select(item.column + 1u, 0u, is_last),
    );
}

fn sigmoid(logit: f32) -> f32 {
    return 1.0 / (1.0 + exp(-logit));
}

fn score_of(item: Item) -> f32 {
    let score = item.row * params.pitch + item.column;
#ifdef LISTS
    return scores[score];
#endif
#ifdef PLAIN
    return sigmoid(classes[score]);
#endif
#ifdef CENTRED
    return sqrt(sigmoid(classes[score]) * sigmoid(centreness[item.row * params.centre_pitch]));
#endif
}

// 0 of what does not score enough, or is none.
fn key_of(item: Item, last: u32) -> u32 {
    if item.index >= last {
        return 0u;
    }
#ifdef LISTS
    if item.column >= counts[item.row] {
        return 0u;
    }
#endif
    let score = score_of(item);
    return select(0u, key(score), score > params.score_threshold);
}

// The keys of four items that follow each other, and the item behind them.
struct Four {
    keys: vec4<u32>,
    next: Item,
}

fn four(a: Item, last: u32) -> Four {
    let b = behind(a);
    let c = behind(b);
    let d = behind(c);
    let keys = vec4<u32>(key_of(a, last), key_of(b, last), key_of(c, last), key_of(d, last));
    return Four(keys, behind(d));
}

fn sum(flags: vec4<bool>) -> u32 {
    let ones = select(vec4<u32>(), vec4<u32>(1u), flags);
    return ones.x + ones.y + ones.z + ones.w;
}

fn store(item: Item, place: u32) {
    top_scores[place] = score_of(item);
#ifdef LISTS
    top_items[place] = items[item.row * params.pitch + item.column];
#else
    top_items[place] = item.index;
#endif
}

@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) invocation: u32) {
    let list = group.x;
    let first = min((list * INVOCATIONS + invocation) * params.share, params.items);
    let last = min(first + params.share, params.items);
    let start = Item(first, first / params.row, first % params.row);

    var own = 0u;
    var item = start;
    while item.index < last {
        let quad = four(item, last);
        own += sum(quad.keys != vec4<u32>());
        item = quad.next;
    }
    var place = exclusive(invocation, own);
    if invocation == 0u {
        passing = place.y;
    }
    let total = workgroupUniformLoad(&passing);

    var cut = EVERYTHING;
    if total > params.limit {
        cut = Cut();
        while !cut.is_found {
            clear(invocation);
            item = start;
            while item.index < last {
                let quad = four(item, last);
                tally(quad.keys, item.index, cut);
                item = quad.next;
            }
            cut = lower(invocation, cut, params.limit, params.limit);
        }
        own = 0u;
        item = start;
        while item.index < last {
            let quad = four(item, last);
            own += sum(are_above(quad.keys, item.index, cut));
            item = quad.next;
        }
        place = exclusive(invocation, own);
    }

    var next = list * params.limit + place.x;
    item = start;
    while item.index < last && own > 0u {
        let quad = four(item, last);
        let takes = are_above(quad.keys, item.index, cut);
        for (var k = 0u; k < 4u; k++) {
            if takes[k] {
                store(item, next);
                next++;
            }
            item = behind(item);
        }
    }
    if invocation == 0u {
        top_counts[list] = place.y;
    }
}
