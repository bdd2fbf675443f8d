#define_import_path fpn::scan

// Where each lane of a workgroup of 256 begins to write, so that all write in the order of lanes.

const LANES: u32 = 256u;

var<workgroup> sums: array<u32, 256>;

// The sum of `value` over all lanes before this one (x) and over all lanes (y).
fn exclusive(lane: u32, value: u32) -> vec2<u32> {
    sums[lane] = value;
    workgroupBarrier();
    for (var reach = 1u; reach < LANES; reach *= 2u) {
        var before = 0u;
        if lane >= reach {
            before = sums[lane - reach];
        }
        workgroupBarrier();
        sums[lane] += before;
        workgroupBarrier();
    }
    return vec2<u32>(sums[lane] - value, sums[LANES - 1u]);
}
