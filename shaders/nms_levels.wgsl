// Greedy non-maximum suppression within each level: a workgroup takes the slots of one level, best
// first. The key of a slot that falls becomes 0.

struct Params {
    limit: u32, // slots a level, at most 32 * WORDS
    threshold: f32,
    edges: u32, // of boxes
    unused: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read_write> boxes: array<vec4<f32>>; // by slot
@group(0) @binding(2) var<storage, read_write> keys: array<u32>; // by slot

#import fpn::boxes::overlaps

const INVOCATIONS: u32 = 256u;
const WORDS: u32 = 1024u;

// A bit for each slot that has not fallen. An invocation has every 256th slot, and the words of these are
// no other's, so that it need not ask before it writes.
var<workgroup> alive: array<u32, WORDS>;

fn word_of(slot: u32) -> u32 {
    return slot % INVOCATIONS + slot / (32u * INVOCATIONS) * INVOCATIONS;
}

fn bit_of(slot: u32) -> u32 {
    return 1u << (slot / INVOCATIONS % 32u);
}

@compute @workgroup_size(256)
fn main(@builtin(local_invocation_index) invocation: u32, @builtin(workgroup_id) workgroup: vec3<u32>) {
    let first = workgroup.x * params.limit;
    for (var word = invocation; word < WORDS; word += INVOCATIONS) {
        alive[word] = 0u;
    }
    for (var slot = invocation; slot < params.limit; slot += INVOCATIONS) {
        if keys[first + slot] != 0u {
            alive[word_of(slot)] |= bit_of(slot);
        }
    }
    for (var slot = 0u; slot < params.limit; slot++) {
        if (workgroupUniformLoad(&alive[word_of(slot)]) & bit_of(slot)) == 0u {
            continue;
        }
        let box = boxes[first + slot];
        // The first of its own behind this one.
        let own = slot + 1u + (invocation - slot - 1u) % INVOCATIONS;
        for (var other = own; other < params.limit; other += INVOCATIONS) {
            if (alive[word_of(other)] & bit_of(other)) != 0u
                && overlaps(box, boxes[first + other], params.threshold, params.edges) {
                alive[word_of(other)] &= ~bit_of(other);
            }
        }
        workgroupBarrier();
    }
    for (var slot = invocation; slot < params.limit; slot += INVOCATIONS) {
        if (alive[word_of(slot)] & bit_of(slot)) == 0u {
            keys[first + slot] = 0u;
        }
    }
}
