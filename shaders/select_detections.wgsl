// Greedy class-wise non-maximum suppression over the candidates, best first (ties: the earlier one),
// until enough are kept; the kept ones in pixels of the original picture. One workgroup.
//
// It goes by batches: of the candidates left the best, 1024 at most, are selected and sorted. Those
// that overlap what was kept of earlier batches fall, and then each that is left makes later ones
// fall. So all candidates are looked through a few times a batch, not once for each that is kept.
// Where hardly any of a batch is kept, many overlap the same few: of all the rest those that overlap
// what was kept fall too.
//
// The results: their number, a flag for values that are not finite (set elsewhere), how many
// candidates there were and how many fit; then a candidate each.

struct Params {
    capacity: u32,
    blocks: u32, // vec4 a candidate; score, label and level are the last
    limit: u32,
    threshold: f32,
    edges: u32, // of boxes
    is_restored: u32, // whether boxes overlap as they do in the original picture
    unused: vec2<u32>,
}

// What an invocation looks at at a time, so that it waits for memory once and not sixteen times.
struct Sixteen {
    a: vec4<u32>,
    b: vec4<u32>,
    c: vec4<u32>,
    d: vec4<u32>,
}

#import fpn::frame::Frame
#import fpn::boxes::overlaps
#import fpn::order::key
#import fpn::radix::{Cut, EVERYTHING, are_above, clear, lower, tally}

const INVOCATIONS: u32 = 256u;
const BATCH: u32 = 1024u;
// One in so many is hardly any.
const HARDLY_ANY: u32 = 128u;
const NONE: u32 = 0xffffffffu;

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<uniform> frame: Frame;
@group(0) @binding(2) var<storage, read_write> candidates: array<vec4<f32>>;
@group(0) @binding(3) var<storage, read_write> count: array<u32>;
// Of the candidates left; 0 for the others. Each invocation has its own.
@group(0) @binding(4) var<storage, read_write> keys: array<Sixteen>;
@group(0) @binding(5) var<storage, read_write> kept: array<u32>;
@group(0) @binding(6) var<storage, read_write> results: array<vec4<u32>>;
#ifdef ROIS
// What is kept once more, in pixels of the resized picture.
@group(0) @binding(7) var<storage, read_write> rois: array<vec4<f32>>;
@group(0) @binding(8) var<storage, read_write> labels: array<u32>;
@group(0) @binding(9) var<storage, read_write> roi_count: array<u32>;
#endif

var<workgroup> available: u32;
var<workgroup> batch: array<u32, 1024>;
var<workgroup> batch_keys: array<u32, 1024>;
var<workgroup> filled: atomic<u32>;
var<workgroup> number: u32;
// Of the batch, a bit each.
var<workgroup> alive: array<atomic<u32>, 32>;
var<workgroup> next_alive: u32;
// Some of what is kept.
var<workgroup> kept_boxes: array<vec4<f32>, 256>;
var<workgroup> kept_labels: array<f32, 256>;

// In the pixels in which boxes overlap.
fn box_of(candidate: u32) -> vec4<f32> {
    let scale = select(vec2<f32>(1.0), frame.ratio.yx, params.is_restored == 1u);
    return candidates[candidate * params.blocks] * scale.xyxy;
}

fn tags_of(candidate: u32) -> vec4<f32> {
    return candidates[candidate * params.blocks + params.blocks - 1u];
}

fn key_of(candidate: u32, total: u32) -> u32 {
    if candidate >= total {
        return 0u;
    }
    return key(tags_of(candidate).x);
}

fn keys_of_four(first: u32, total: u32) -> vec4<u32> {
    return vec4<u32>(
        key_of(first, total),
        key_of(first + 1u, total),
        key_of(first + 2u, total),
        key_of(first + 3u, total),
    );
}

fn take(takes: bool, k: u32, candidate: u32) {
    if takes {
        let place = atomicAdd(&filled, 1u);
        batch[place] = candidate;
        batch_keys[place] = k;
    }
}

// Those of four candidates that are above the cut go into the batch. What is left of their keys.
fn take_four(own: vec4<u32>, first: u32, cut: Cut) -> vec4<u32> {
    let takes = are_above(own, first, cut);
    if any(takes) {
        take(takes.x, own.x, first);
        take(takes.y, own.y, first + 1u);
        take(takes.z, own.z, first + 2u);
        take(takes.w, own.w, first + 3u);
    }
    return select(own, vec4<u32>(), takes);
}

// The best of the candidates, of which at most so many are left, become the batch, in no order.
// Their number.
fn choose(invocation: u32, total: u32, left: u32) -> u32 {
    var cut = EVERYTHING;
    if left > BATCH {
        cut = Cut();
        while !cut.is_found {
            clear(invocation);
            for (var i = invocation; 16u * i < total; i += INVOCATIONS) {
                let own = keys[i];
                tally(own.a, 16u * i, cut);
                tally(own.b, 16u * i + 4u, cut);
                tally(own.c, 16u * i + 8u, cut);
                tally(own.d, 16u * i + 12u, cut);
            }
            cut = lower(invocation, cut, BATCH / 2u, BATCH);
        }
    }
    if invocation == 0u {
        atomicStore(&filled, 0u);
    }
    workgroupBarrier();
    for (var i = invocation; 16u * i < total; i += INVOCATIONS) {
        let own = keys[i];
        keys[i] = Sixteen(
            take_four(own.a, 16u * i, cut),
            take_four(own.b, 16u * i + 4u, cut),
            take_four(own.c, 16u * i + 8u, cut),
            take_four(own.d, 16u * i + 12u, cut),
        );
    }
    workgroupBarrier();
    if invocation == 0u {
        number = atomicLoad(&filled);
    }
    return workgroupUniformLoad(&number);
}

fn precedes(a: u32, b: u32) -> bool {
    return batch_keys[a] > batch_keys[b] || (batch_keys[a] == batch_keys[b] && batch[a] < batch[b]);
}

// Bitonic, over the next power of two.
fn sort(invocation: u32, members: u32) {
    var size = 1u;
    while size < members {
        size *= 2u;
    }
    for (var place = members + invocation; place < size; place += INVOCATIONS) {
        batch_keys[place] = 0u;
        batch[place] = NONE;
    }
    workgroupBarrier();
    for (var span = 2u; span <= size; span *= 2u) {
        for (var reach = span / 2u; reach > 0u; reach /= 2u) {
            for (var pair = invocation; pair < size / 2u; pair += INVOCATIONS) {
                let a = 2u * pair - pair % reach;
                let b = a + reach;
                let goes_down = (a & span) == 0u;
                if precedes(b, a) == goes_down {
                    let k = batch_keys[a];
                    let candidate = batch[a];
                    batch_keys[a] = batch_keys[b];
                    batch[a] = batch[b];
                    batch_keys[b] = k;
                    batch[b] = candidate;
                }
            }
            workgroupBarrier();
        }
    }
}

// Kept ones from `first` on, as many as there is room for, become those at hand. Their number.
fn fetch_kept(invocation: u32, first: u32, end: u32) -> u32 {
    workgroupBarrier();
    if first + invocation < end {
        let candidate = kept[first + invocation];
        kept_boxes[invocation] = box_of(candidate);
        kept_labels[invocation] = tags_of(candidate).y;
    }
    workgroupBarrier();
    return min(end - first, INVOCATIONS);
}

struct FourBoxes {
    boxes: mat4x4<f32>,
    labels: vec4<f32>,
}

fn boxes_of(four: vec4<u32>) -> FourBoxes {
    return FourBoxes(
        mat4x4<f32>(box_of(four.x), box_of(four.y), box_of(four.z), box_of(four.w)),
        vec4<f32>(tags_of(four.x).y, tags_of(four.y).y, tags_of(four.z).y, tags_of(four.w).y),
    );
}

// Which of four boxes fall to one that is kept.
fn falling(four: FourBoxes, box: vec4<f32>, label: f32) -> vec4<bool> {
    let overlapping = vec4<bool>(
        overlaps(box, four.boxes[0], params.threshold, params.edges),
        overlaps(box, four.boxes[1], params.threshold, params.edges),
        overlaps(box, four.boxes[2], params.threshold, params.edges),
        overlaps(box, four.boxes[3], params.threshold, params.edges),
    );
    return (four.labels == vec4<f32>(label)) & overlapping;
}

// Of the batch, four that are an invocation's.
struct Share {
    places: vec4<u32>,
    four: FourBoxes,
    is_alive: vec4<bool>,
}

fn share_of(invocation: u32, members: u32) -> Share {
    let places = invocation + vec4<u32>(0u, INVOCATIONS, 2u * INVOCATIONS, 3u * INVOCATIONS);
    let inside = min(places, vec4<u32>(members - 1u));
    let four = vec4<u32>(batch[inside.x], batch[inside.y], batch[inside.z], batch[inside.w]);
    return Share(places, boxes_of(four), places == inside);
}

fn strike(place: u32, falls: bool) {
    if falls {
        atomicAnd(&alive[place / 32u], ~(1u << (place % 32u)));
    }
}

// Those of a share that fall to a box are no longer alive.
fn fall(own: Share, box: vec4<f32>, label: f32) -> Share {
    let falls = own.is_alive & falling(own.four, box, label);
    if any(falls) {
        strike(own.places.x, falls.x);
        strike(own.places.y, falls.y);
        strike(own.places.z, falls.z);
        strike(own.places.w, falls.w);
    }
    var rest = own;
    rest.is_alive = own.is_alive & !falls;
    return rest;
}

// The first of the batch from `place` on that is alive.
fn first_alive(place: u32, members: u32) -> u32 {
    if place >= members {
        return NONE;
    }
    var word = place / 32u;
    var bits = atomicLoad(&alive[word]) & (NONE << (place % 32u));
    while bits == 0u && word < (members - 1u) / 32u {
        word++;
        bits = atomicLoad(&alive[word]);
    }
    return select(32u * word + firstTrailingBit(bits), NONE, bits == 0u);
}

fn store(invocation: u32, candidate: u32, place: u32) {
    if invocation == 0u {
        kept[place] = candidate;
#ifdef ROIS
        rois[place] = candidates[candidate * params.blocks];
        labels[place] = u32(tags_of(candidate).y);
#endif
    }
    if invocation < params.blocks {
        let block = candidates[candidate * params.blocks + invocation];
        let is_tags = invocation == params.blocks - 1u;
        let restored = block * frame.ratio.yxyx + frame.shift.yxyx;
        let value = select(restored, block, is_tags);
        results[1u + place * params.blocks + invocation] = bitcast<vec4<u32>>(value);
    }
}

// Of a sorted batch, what does not fall is kept, behind what was kept before. Their number.
fn keep(invocation: u32, members: u32, before: u32) -> u32 {
    var own = share_of(invocation, members);
    if 32u * invocation < members {
        let rest = members - 32u * invocation;
        atomicStore(&alive[invocation], select((1u << rest) - 1u, NONE, rest >= 32u));
    }
    workgroupBarrier();
    for (var first = 0u; first < before; first += INVOCATIONS) {
        let fetched = fetch_kept(invocation, first, before);
        for (var other = 0u; other < fetched; other++) {
            own = fall(own, kept_boxes[other], kept_labels[other]);
        }
    }
    workgroupBarrier();
    var found = before;
    var place = 0u;
    while found < params.limit {
        if invocation == 0u {
            next_alive = first_alive(place, members);
        }
        place = workgroupUniformLoad(&next_alive);
        if place == NONE {
            break;
        }
        let candidate = batch[place];
        store(invocation, candidate, found);
        own = fall(own, box_of(candidate), tags_of(candidate).y);
        found++;
        place++;
        workgroupBarrier();
    }
    storageBarrier();
    return found;
}

// Candidates that fall to what is kept, from `begin` on, are no longer left.
fn thin_out(invocation: u32, total: u32, begin: u32, end: u32) {
    for (var first = begin; first < end; first += INVOCATIONS) {
        let fetched = fetch_kept(invocation, first, end);
        for (var i = invocation; 16u * i < total; i += INVOCATIONS) {
            let last = vec4<u32>(total - 1u);
            let members = 16u * i + vec4<u32>(0u, 1u, 2u, 3u);
            let a = boxes_of(min(members, last));
            let b = boxes_of(min(members + 4u, last));
            let c = boxes_of(min(members + 8u, last));
            let d = boxes_of(min(members + 12u, last));
            var own = keys[i];
            for (var other = 0u; other < fetched; other++) {
                let box = kept_boxes[other];
                let label = kept_labels[other];
                own.a = select(own.a, vec4<u32>(), falling(a, box, label));
                own.b = select(own.b, vec4<u32>(), falling(b, box, label));
                own.c = select(own.c, vec4<u32>(), falling(c, box, label));
                own.d = select(own.d, vec4<u32>(), falling(d, box, label));
            }
            keys[i] = own;
        }
    }
}

@compute @workgroup_size(256)
fn main(@builtin(local_invocation_index) invocation: u32) {
    if invocation == 0u {
        available = min(count[0], params.capacity);
    }
    let total = workgroupUniformLoad(&available);
    for (var i = invocation; 16u * i < total; i += INVOCATIONS) {
        keys[i] = Sixteen(
            keys_of_four(16u * i, total),
            keys_of_four(16u * i + 4u, total),
            keys_of_four(16u * i + 8u, total),
            keys_of_four(16u * i + 12u, total),
        );
    }
    var left = total; // at most
    var found = 0u;
    // Of those found, the rest does not overlap the first so many.
    var thinned = 0u;
    while left > 0u && found < params.limit {
        let members = choose(invocation, total, left);
        if members == 0u {
            break;
        }
        left -= members;
        sort(invocation, members);
        let before = found;
        found = keep(invocation, members, before);
        if left > 0u && (found - before) * HARDLY_ANY < members {
            thin_out(invocation, total, thinned, found);
            thinned = found;
        }
    }
    if invocation == 0u {
        results[0].x = found;
        results[0].z = count[0];
        results[0].w = params.capacity;
#ifdef ROIS
        roi_count[0] = found;
#endif
    }
}
