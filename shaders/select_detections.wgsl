// Greedy class-wise non-maximum suppression over the candidates in order, until enough are kept; the
// kept ones in pixels of the original picture. One workgroup.
//
// The results: their number, a flag for values that are not finite (set elsewhere), how many
// candidates there were and how many fit; then a candidate each.

struct Params {
    capacity: u32,
    blocks: u32, // vec4 a candidate; score, label and level are the last
    limit: u32,
    threshold: f32,
}

#import fpn::frame::Frame
#import fpn::boxes::overlaps

const INVOCATIONS: u32 = 256u;

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<uniform> frame: Frame;
@group(0) @binding(2) var<storage, read_write> candidates: array<vec4<f32>>;
@group(0) @binding(3) var<storage, read_write> count: array<u32>;
@group(0) @binding(4) var<storage, read_write> order: array<u32>;
@group(0) @binding(5) var<storage, read_write> alive: array<u32>;
@group(0) @binding(6) var<storage, read_write> results: array<vec4<u32>>;

var<workgroup> next: u32;
var<workgroup> available: u32;

fn label_of(candidate: u32) -> f32 {
    return candidates[candidate * params.blocks + params.blocks - 1u].y;
}

@compute @workgroup_size(256)
fn main(@builtin(local_invocation_index) invocation: u32) {
    if invocation == 0u {
        available = min(count[0], params.capacity);
    }
    let total = workgroupUniformLoad(&available);
    for (var place = invocation; place < total; place += INVOCATIONS) {
        alive[place] = 1u;
    }
    let scale = vec4<f32>(frame.ratio.yx, frame.ratio.yx);
    var kept = 0u;
    var place = 0u;
    loop {
        storageBarrier();
        if invocation == 0u {
            var candidate = place;
            while candidate < total && alive[candidate] == 0u {
                candidate++;
            }
            next = candidate;
        }
        place = workgroupUniformLoad(&next);
        if place >= total || kept >= params.limit {
            break;
        }
        let best = order[place];
        let box = candidates[best * params.blocks];
        let label = label_of(best);
        for (var other = place + 1u + invocation; other < total; other += INVOCATIONS) {
            if alive[other] == 1u {
                let candidate = order[other];
                if label_of(candidate) == label
                    && overlaps(box, candidates[candidate * params.blocks], params.threshold) {
                    alive[other] = 0u;
                }
            }
        }
        if invocation < params.blocks {
            let block = candidates[best * params.blocks + invocation];
            let is_tags = invocation == params.blocks - 1u;
            let value = select(block * scale, block, is_tags);
            results[1u + kept * params.blocks + invocation] = bitcast<vec4<u32>>(value);
        }
        kept++;
        place++;
    }
    if invocation == 0u {
        results[0].x = kept;
        results[0].z = count[0];
        results[0].w = params.capacity;
    }
}
