// Raises the results' second word where a map holds NaN or an infinity.

struct Params {
    quads: u32, // of the whole map
    unused_a: u32,
    unused_b: u32,
    unused_c: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read_write> map: array<vec4<u32>>;
@group(0) @binding(2) var<storage, read_write> results: array<atomic<u32>>;

const EXPONENT: u32 = 0x7f800000u;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    for (var quad = id.x; quad < params.quads; quad += groups.x * 64u) {
        if any((map[quad] & vec4<u32>(EXPONENT)) == vec4<u32>(EXPONENT)) {
            atomicStore(&results[1], 1u);
        }
    }
}
