#define_import_path fpn::scan

// Where each invocation of a workgroup of 256 begins to write, so that all write in the order of invocations.

const INVOCATIONS: u32 = 256u;

var<workgroup> sums: array<u32, 256>;

// The sum of `value` over all invocations before this one (x) and over all invocations (y).
fn exclusive(invocation: u32, value: u32) -> vec2<u32> {
    sums[invocation] = value;
    workgroupBarrier();
    for (var reach = 1u; reach < INVOCATIONS; reach *= 2u) {
        var before = 0u;
        if invocation >= reach {
            before = sums[invocation - reach];
        }
        workgroupBarrier();
        sums[invocation] += before;
        workgroupBarrier();
    }
    return vec2<u32>(sums[invocation] - value, sums[INVOCATIONS - 1u]);
}
