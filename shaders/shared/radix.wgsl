#define_import_path fpn::radix

// Radix selection by a workgroup of 256: the highest of many items by their keys, ties to the earlier
// item, eight bits at a time from the top. Items of key 0 are none.

// Where it ends: the leading digits of a key and, from the fifth on, of an item's index, counted
// down so that earlier is higher.
struct Cut {
    key: u32,
    index: u32,
    digits: u32,
    above: u32, // items
    is_found: bool,
}

const EVERYTHING = Cut(0u, 0u, 4u, 0u, true);

var<workgroup> histogram: array<atomic<u32>, 256>;
// Of sixteen digits each, so that one invocation need not go through all.
var<workgroup> sums: array<u32, 16>;
// What one invocation tells the others.
var<workgroup> told: vec2<u32>;

// Which of four items that follow each other are above the cut.
fn are_above(k: vec4<u32>, first: u32, cut: Cut) -> vec4<bool> {
    let leads = k >> vec4<u32>(32u - 8u * min(cut.digits, 4u));
    let n = ~(first + vec4<u32>(0u, 1u, 2u, 3u));
    let is_earlier = n >> vec4<u32>(64u - 8u * max(cut.digits, 5u)) > vec4<u32>(cut.index);
    let is_tie = vec4<bool>(cut.digits > 4u) & (leads == vec4<u32>(cut.key));
    return (k != vec4<u32>()) & ((leads > vec4<u32>(cut.key)) | (is_tie & is_earlier));
}

// An invocation clears, all tally their items, and `lower` finds the next digit.
fn clear(invocation: u32) {
    atomicStore(&histogram[invocation], 0u);
    workgroupBarrier();
}

fn count_if(counts: bool, digit: u32) {
    if counts {
        atomicAdd(&histogram[digit], 1u);
    }
}

// Count the next digit of four items that follow each other, of those whose digits before are the cut's.
fn tally(k: vec4<u32>, first: u32, cut: Cut) {
    let n = ~(first + vec4<u32>(0u, 1u, 2u, 3u));
    let shift = vec4<u32>(24u - 8u * (cut.digits % 4u));
    // In two steps, as a word cannot be shifted by all of its bits.
    let word = select(n, k, cut.digits < 4u);
    let leads = (word >> shift) >> vec4<u32>(8u);
    let wanted = select(cut.index, cut.key, cut.digits < 4u);
    let is_equal = vec4<bool>(cut.digits < 4u) | (k == vec4<u32>(cut.key));
    let counts = (k != vec4<u32>()) & is_equal & (leads == vec4<u32>(wanted));
    if any(counts) {
        let digit = (word >> shift) & vec4<u32>(255u);
        count_if(counts.x, digit.x);
        count_if(counts.y, digit.y);
        count_if(counts.z, digit.z);
        count_if(counts.w, digit.w);
    }
}

// The cut by a digit more, as low as no more than `most` items are above it. It is found where
// `enough` are, or where all items are.
fn lower(invocation: u32, cut: Cut, enough: u32, most: u32) -> Cut {
    workgroupBarrier();
    if invocation < 16u {
        var sum = 0u;
        for (var digit = 16u * invocation; digit < 16u * invocation + 16u; digit++) {
            sum += atomicLoad(&histogram[digit]);
        }
        sums[invocation] = sum;
    }
    workgroupBarrier();
    if invocation == 0u {
        var number = cut.above;
        var sixteen = 16u;
        while sixteen > 0u && number + sums[sixteen - 1u] <= most {
            sixteen -= 1u;
            number += sums[sixteen];
        }
        var digit = 16u * sixteen;
        while digit > 0u && number + atomicLoad(&histogram[digit - 1u]) <= most {
            digit -= 1u;
            number += atomicLoad(&histogram[digit]);
        }
        told = vec2<u32>(digit, number);
    }
    let found = workgroupUniformLoad(&told);
    if found.x == 0u {
        return Cut(0u, 0u, 4u, found.y, true);
    }
    var next = cut;
    next.above = found.y;
    if cut.digits < 4u {
        next.key = (cut.key << 8u) | (found.x - 1u);
    } else {
        next.index = (cut.index << 8u) | (found.x - 1u);
    }
    next.digits += 1u;
    next.is_found = found.y >= enough || next.digits == 8u;
    return next;
}
