// The anchors of one level with the highest logits, ties to the earlier one, in no order: a radix
// selection over (logit, anchor), eight bits at a time from the top. One workgroup. NaN is not taken.

struct Params {
    cells: u32,
    anchors: u32, // of a cell
    pitch: u32, // floats a cell in memory
    limit: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read_write> logits: array<f32>; // [cell][anchor]
@group(0) @binding(2) var<storage, read_write> chosen: array<u32>; // their number, then the anchors

#import fpn::order::key

const INVOCATIONS: u32 = 256u;

var<workgroup> histogram: array<atomic<u32>, 256>;
var<workgroup> taken: atomic<u32>;
// The digits found so far, of the key and of the anchor (counted down, so that earlier is higher).
var<workgroup> key_prefix: u32;
var<workgroup> anchor_prefix: u32;
var<workgroup> digits: u32;
var<workgroup> missing: u32;
var<workgroup> done: u32;

fn logit(anchor: u32) -> f32 {
    return logits[anchor / params.anchors * params.pitch + anchor % params.anchors];
}

// The leading `count` digits of one word; nothing of it at 0.
fn leading(word: u32, count: u32) -> u32 {
    if count == 0u {
        return 0u;
    }
    return word >> (32u - 8u * min(count, 4u));
}

@compute @workgroup_size(256)
fn main(@builtin(local_invocation_index) invocation: u32) {
    let total = params.cells * params.anchors;
    if invocation == 0u {
        key_prefix = 0u;
        anchor_prefix = 0u;
        digits = 0u;
        missing = params.limit;
        done = 0u;
        atomicStore(&taken, 0u);
    }
    for (var digit = 0u; digit < 8u; digit++) {
        atomicStore(&histogram[invocation], 0u);
        workgroupBarrier();
        let wanted_key = key_prefix;
        let wanted_anchor = anchor_prefix;
        for (var anchor = invocation; anchor < total; anchor += INVOCATIONS) {
            let k = key(logit(anchor));
            let n = ~anchor;
            let matches = leading(k, digit) == wanted_key
                && (digit <= 4u || leading(n, digit - 4u) == wanted_anchor);
            if k != 0u && matches {
                let word = select(n, k, digit < 4u);
                let value = (word >> (24u - 8u * (digit % 4u))) & 255u;
                atomicAdd(&histogram[value], 1u);
            }
        }
        workgroupBarrier();
        if invocation == 0u {
            var above = 0u;
            var value = 255u;
            loop {
                let here = atomicLoad(&histogram[value]);
                if above + here >= missing || value == 0u {
                    // All of this bucket are taken: no further digit is needed.
                    done = select(0u, 1u, above + here <= missing);
                    missing -= min(above, missing);
                    break;
                }
                above += here;
                value -= 1u;
            }
            if digit < 4u {
                key_prefix = (key_prefix << 8u) | value;
            } else {
                anchor_prefix = (anchor_prefix << 8u) | value;
            }
            digits = digit + 1u;
        }
        if workgroupUniformLoad(&done) == 1u {
            break;
        }
    }

    let found = workgroupUniformLoad(&digits);
    let least_key = key_prefix;
    let least_anchor = anchor_prefix;
    for (var anchor = invocation; anchor < total; anchor += INVOCATIONS) {
        let k = key(logit(anchor));
        let leads = leading(k, found);
        var takes = leads > least_key;
        if leads == least_key {
            takes = found <= 4u || leading(~anchor, found - 4u) >= least_anchor;
        }
        if k != 0u && takes {
            chosen[1u + atomicAdd(&taken, 1u)] = anchor;
        }
    }
    workgroupBarrier();
    if invocation == 0u {
        chosen[0] = atomicLoad(&taken);
    }
}
