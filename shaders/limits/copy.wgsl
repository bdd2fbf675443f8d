// As much memory traffic as a device can do: a workgroup copies 64 × 8 neighbouring vec4.

struct Params {
    // Workgroups across.
    across: u32,
    unused: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> original: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read_write> copy: array<vec4<f32>>;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let first = (group.y * params.across + group.x) * 512u + lane;
    for (var part = 0u; part < 8u; part++) {
        let place = first + part * 64u;
        copy[place] = original[place];
    }
}
