// The anchors of one level with the highest logits, ties to the earlier one, in no order. One
// workgroup. NaN is not taken.

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
#import fpn::radix::{Cut, clear, is_above, lower, tally}

const INVOCATIONS: u32 = 256u;

var<workgroup> taken: atomic<u32>;

fn key_of(anchor: u32) -> u32 {
    return key(logits[anchor / params.anchors * params.pitch + anchor % params.anchors]);
}

@compute @workgroup_size(256)
fn main(@builtin(local_invocation_index) invocation: u32) {
    let total = params.cells * params.anchors;
    if invocation == 0u {
        atomicStore(&taken, 0u);
    }
    var cut = Cut();
    while !cut.is_found {
        clear(invocation);
        for (var anchor = invocation; anchor < total; anchor += INVOCATIONS) {
            tally(key_of(anchor), anchor, cut);
        }
        cut = lower(invocation, cut, params.limit, params.limit);
    }
    for (var anchor = invocation; anchor < total; anchor += INVOCATIONS) {
        let k = key_of(anchor);
        if k != 0u && is_above(k, anchor, cut) {
            chosen[1u + atomicAdd(&taken, 1u)] = anchor;
        }
    }
    workgroupBarrier();
    if invocation == 0u {
        chosen[0] = atomicLoad(&taken);
    }
}
