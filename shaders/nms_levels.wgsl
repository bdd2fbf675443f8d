// Greedy non-maximum suppression within each level: a workgroup takes the slots of one level, best
// first. The key of a slot that falls becomes 0.

struct Params {
    limit: u32, // slots a level, at most 1024
    threshold: f32,
    unused: vec2<u32>,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read_write> boxes: array<vec4<f32>>; // by slot
@group(0) @binding(2) var<storage, read_write> keys: array<u32>; // by slot

#import fpn::boxes::overlaps

const INVOCATIONS: u32 = 256u;

var<workgroup> alive: array<u32, 1024>;

@compute @workgroup_size(256)
fn main(@builtin(local_invocation_index) invocation: u32, @builtin(workgroup_id) workgroup: vec3<u32>) {
    let first = workgroup.x * params.limit;
    for (var slot = invocation; slot < params.limit; slot += INVOCATIONS) {
        alive[slot] = select(0u, 1u, keys[first + slot] != 0u);
    }
    for (var slot = 0u; slot < params.limit; slot++) {
        if workgroupUniformLoad(&alive[slot]) == 0u {
            continue;
        }
        let box = boxes[first + slot];
        for (var other = slot + 1u + invocation; other < params.limit; other += INVOCATIONS) {
            if alive[other] == 1u && overlaps(box, boxes[first + other], params.threshold) {
                alive[other] = 0u;
            }
        }
        workgroupBarrier();
    }
    for (var slot = invocation; slot < params.limit; slot += INVOCATIONS) {
        if alive[slot] == 0u {
            keys[first + slot] = 0u;
        }
    }
}
