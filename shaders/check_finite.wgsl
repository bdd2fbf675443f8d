// Raises the results' second word where a map holds NaN or an infinity.

struct Params {
    blocks: u32, // of the whole map
    unused_a: u32,
    unused_b: u32,
    unused_c: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
#ifdef STORED_F16
@group(0) @binding(1) var<storage, read_write> map: array<vec2<u32>>;
#else
@group(0) @binding(1) var<storage, read_write> map: array<vec4<u32>>;
#endif
@group(0) @binding(2) var<storage, read_write> results: array<atomic<u32>>;

// By bits: drivers may take it that there is neither.
fn is_finite(block: u32) -> bool {
#ifdef STORED_F16
    let halves = vec4<u32>(map[block], map[block] >> vec2<u32>(16u));
    return all((halves & vec4<u32>(0x7c00u)) != vec4<u32>(0x7c00u));
#else
    return all((map[block] & vec4<u32>(0x7f800000u)) != vec4<u32>(0x7f800000u));
#endif
}

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) workgroups: vec3<u32>) {
    for (var block = id.x; block < params.blocks; block += workgroups.x * 64u) {
        if !is_finite(block) {
            atomicStore(&results[1], 1u);
        }
    }
}
