// The best proposals of all levels, in order: best logit first, ties to the finer level and the
// earlier slot. An invocation a slot.

struct Params {
    slots: u32, // of all levels
    slots_a_level: u32,
    limit: u32,
    first_level: u32, // its number
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read_write> boxes: array<vec4<f32>>; // by slot
@group(0) @binding(2) var<storage, read_write> keys: array<u32>; // by slot; 0 is empty
@group(0) @binding(3) var<storage, read_write> proposals: array<vec4<f32>>;
@group(0) @binding(4) var<storage, read_write> levels: array<u32>; // their numbers
@group(0) @binding(5) var<storage, read_write> count: array<u32>;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
    let slot = id.x;
    if slot >= params.slots {
        return;
    }
    let own = keys[slot];
    var rank = 0u;
    var total = 0u;
    for (var other = 0u; other < params.slots; other++) {
        let k = keys[other];
        total += select(0u, 1u, k != 0u);
        rank += select(0u, 1u, k > own || (k == own && other < slot));
    }
    let kept = min(total, params.limit);
    if slot == 0u {
        count[0] = kept;
    }
    if own != 0u && rank < params.limit {
        proposals[rank] = boxes[slot];
        levels[rank] = params.first_level + slot / params.slots_a_level;
    }
    // What is not meant is at least finite.
    if slot >= kept && slot < params.limit {
        proposals[slot] = vec4<f32>();
        levels[slot] = params.first_level;
    }
}
