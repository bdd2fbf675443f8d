// Greedy class-wise non-maximum suppression over the candidates, until enough are kept; the kept ones in
// pixels of the original picture. One workgroup: each round keeps the best candidate left (ties: the
// earlier one) and looks at the others once, so that many candidates cost no more than a look each.
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
const NONE: u32 = 0xffffffffu;

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<uniform> frame: Frame;
@group(0) @binding(2) var<storage, read_write> candidates: array<vec4<f32>>;
@group(0) @binding(3) var<storage, read_write> count: array<u32>;
// Each invocation reads and writes only those that are its own.
@group(0) @binding(4) var<storage, read_write> alive: array<u32>;
@group(0) @binding(5) var<storage, read_write> results: array<vec4<u32>>;

var<workgroup> available: u32;
// The best candidate of each invocation, and then of several.
var<workgroup> scores: array<f32, 256>;
var<workgroup> bests: array<u32, 256>;

// The best of two invocations' candidates goes to the first.
fn take_better(invocation: u32, other: u32) {
    let theirs = bests[other];
    let own = bests[invocation];
    let is_better = scores[other] > scores[invocation]
        || (scores[other] == scores[invocation] && theirs < own);
    if theirs != NONE && (own == NONE || is_better) {
        bests[invocation] = theirs;
        scores[invocation] = scores[other];
    }
}

@compute @workgroup_size(256)
fn main(@builtin(local_invocation_index) invocation: u32) {
    if invocation == 0u {
        available = min(count[0], params.capacity);
    }
    let total = workgroupUniformLoad(&available);
    for (var candidate = invocation; candidate < total; candidate += INVOCATIONS) {
        alive[candidate] = 1u;
    }
    let scale = vec4<f32>(frame.ratio.yx, frame.ratio.yx);
    var kept = 0u;
    // What was kept last; at first nothing, which no candidate has the label of.
    var box = vec4<f32>();
    var label = 0.0;
    loop {
        var own = NONE;
        var own_score = 0.0;
        for (var candidate = invocation; candidate < total; candidate += INVOCATIONS) {
            if alive[candidate] == 0u {
                continue;
            }
            let tags = candidates[candidate * params.blocks + params.blocks - 1u];
            if tags.y == label
                && overlaps(box, candidates[candidate * params.blocks], params.threshold) {
                alive[candidate] = 0u;
            } else if own == NONE || tags.x > own_score {
                own = candidate;
                own_score = tags.x;
            }
        }
        bests[invocation] = own;
        scores[invocation] = own_score;
        workgroupBarrier();
        for (var reach = INVOCATIONS / 2u; reach > 0u; reach /= 2u) {
            if invocation < reach {
                take_better(invocation, invocation + reach);
            }
            workgroupBarrier();
        }
        let best = workgroupUniformLoad(&bests[0]);
        if best == NONE || kept >= params.limit {
            break;
        }
        if best % INVOCATIONS == invocation {
            alive[best] = 0u;
        }
        box = candidates[best * params.blocks];
        label = candidates[best * params.blocks + params.blocks - 1u].y;
        if invocation < params.blocks {
            let block = candidates[best * params.blocks + invocation];
            let is_tags = invocation == params.blocks - 1u;
            let value = select(block * scale, block, is_tags);
            results[1u + kept * params.blocks + invocation] = bitcast<vec4<u32>>(value);
        }
        kept++;
    }
    if invocation == 0u {
        results[0].x = kept;
        results[0].z = count[0];
        results[0].w = params.capacity;
    }
}
