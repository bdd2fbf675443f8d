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

// The leading `count` digits of one word; nothing of it at 0.
fn leading(word: u32, count: u32) -> u32 {
    if count == 0u {
        return 0u;
    }
    return word >> (32u - 8u * min(count, 4u));
}

fn is_above(k: u32, index: u32, cut: Cut) -> bool {
    let leads = leading(k, cut.digits);
    if cut.digits <= 4u || leads != cut.key {
        return leads > cut.key;
    }
    return leading(~index, cut.digits - 4u) > cut.index;
}

// An invocation clears, all tally their items, and `lower` finds the next digit.
fn clear(invocation: u32) {
    atomicStore(&histogram[invocation], 0u);
    workgroupBarrier();
}

// Count an item's next digit if those before are the cut's.
fn tally(k: u32, index: u32, cut: Cut) {
    let n = ~index;
    let matches = leading(k, cut.digits) == cut.key
        && (cut.digits <= 4u || leading(n, cut.digits - 4u) == cut.index);
    if k != 0u && matches {
        let word = select(n, k, cut.digits < 4u);
        atomicAdd(&histogram[(word >> (24u - 8u * (cut.digits % 4u))) & 255u], 1u);
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
