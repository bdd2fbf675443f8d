// A copy of a map. One buffer must not be bound twice in a dispatch, so an operation that reads one
// map twice reads a copy. An invocation copies four channels of one pixel.

struct Params {
    blocks: u32, // of the whole map
    unused_a: u32,
    unused_b: u32,
    unused_c: u32,
}

// Words, whatever they hold: a GPU may take small integers for denormal floats and make them zeros.
#ifdef STORED_F16
alias Block = vec2<u32>;
#else
alias Block = vec4<u32>;
#endif

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read_write> image: array<Block>; // [block]
@group(0) @binding(2) var<storage, read_write> result: array<Block>; // [block]

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) workgroups: vec3<u32>) {
    let index = id.x + id.y * workgroups.x * 64u;
    if index >= params.blocks {
        return;
    }
    result[index] = image[index];
}
