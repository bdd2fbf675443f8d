// The range of a map's values: all but the last hundredth at either end, so that one outlying cell does not darken the
// rest. To a 256th of the whole range.

#HEAT

@group(0) @binding(1) var<storage, read> words: array<u32>;
@group(0) @binding(2) var<storage, read_write> range: vec4<f32>;

const LANES: u32 = 256u;
const BINS: u32 = 256u;

var<workgroup> least: array<f32, LANES>;
var<workgroup> most: array<f32, LANES>;
var<workgroup> bins: array<atomic<u32>, BINS>;

@compute @workgroup_size(256)
fn main(@builtin(local_invocation_index) lane: u32) {
    let cells = heat.size.x * heat.size.y;
    var low = value_of(min(lane, cells - 1u));
    var high = low;
    for (var cell = lane; cell < cells; cell += LANES) {
        let value = value_of(cell);
        low = min(low, value);
        high = max(high, value);
    }
    least[lane] = low;
    most[lane] = high;
    atomicStore(&bins[lane], 0u);
    workgroupBarrier();
    for (var half = LANES / 2u; half > 0u; half /= 2u) {
        if lane < half {
            least[lane] = min(least[lane], least[lane + half]);
            most[lane] = max(most[lane], most[lane + half]);
        }
        workgroupBarrier();
    }
    low = least[0];
    high = most[0];
    let step = max(high - low, 1e-20) / f32(BINS);
    for (var cell = lane; cell < cells; cell += LANES) {
        let bin = min(u32((value_of(cell) - low) / step), BINS - 1u);
        atomicAdd(&bins[bin], 1u);
    }
    workgroupBarrier();
    if lane == 0u {
        let cut = cells / 100u;
        var first = 0u;
        var below = atomicLoad(&bins[0]);
        while below <= cut && first + 1u < BINS {
            first += 1u;
            below += atomicLoad(&bins[first]);
        }
        var last = BINS - 1u;
        var above = atomicLoad(&bins[last]);
        while above <= cut && last > first {
            last -= 1u;
            above += atomicLoad(&bins[last]);
        }
        range = vec4<f32>(low + f32(first) * step, low + f32(last + 1u) * step, 0.0, 0.0);
    }
}
