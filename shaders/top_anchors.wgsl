// Where the highest logits of one level's anchors lie, ties to the earlier anchor, in no order. One
// workgroup. NaN is not taken.

struct Params {
    cells: u32,
    anchors: u32, // of a cell
    pitch: u32, // floats a cell in memory
    limit: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read_write> logits: array<f32>; // [cell][anchor]
@group(0) @binding(2) var<storage, read_write> chosen: array<u32>; // their number, then their places in `logits`

#import fpn::order::key
#import fpn::radix::{Cut, are_above, clear, lower, tally}

const INVOCATIONS: u32 = 256u;

var<workgroup> taken: atomic<u32>;

fn place_of(anchor: u32) -> u32 {
    return anchor / params.anchors * params.pitch + anchor % params.anchors;
}

fn key_of(anchor: u32, total: u32) -> u32 {
    if anchor >= total {
        return 0u;
    }
    return key(logits[place_of(anchor)]);
}

fn keys_of_four(first: u32, total: u32) -> vec4<u32> {
    return vec4<u32>(
        key_of(first, total),
        key_of(first + 1u, total),
        key_of(first + 2u, total),
        key_of(first + 3u, total),
    );
}

fn take(takes: bool, anchor: u32) {
    if takes {
        chosen[1u + atomicAdd(&taken, 1u)] = place_of(anchor);
    }
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
        for (var first = 4u * invocation; first < total; first += 4u * INVOCATIONS) {
            tally(keys_of_four(first, total), first, cut);
        }
        cut = lower(invocation, cut, params.limit, params.limit);
    }
    for (var first = 4u * invocation; first < total; first += 4u * INVOCATIONS) {
        let takes = are_above(keys_of_four(first, total), first, cut);
        take(takes.x, first);
        take(takes.y, first + 1u);
        take(takes.z, first + 2u);
        take(takes.w, first + 3u);
    }
    workgroupBarrier();
    if invocation == 0u {
        chosen[0] = atomicLoad(&taken);
    }
}
