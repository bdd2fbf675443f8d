// As much memory traffic as a device can do: a workgroup copies 512 neighbouring vec4, in the order
// that it is told.

struct Params {
    across: u32, // workgroups
    invocation_step: u32, // from an invocation's first vec4 to the next invocation's
    step: u32, // from one vec4 of an invocation to its next
    unused: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> original: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read_write> copy: array<vec4<f32>>;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(local_invocation_index) invocation: u32) {
    let first = (workgroup.y * params.across + workgroup.x) * 512u + invocation * params.invocation_step;
    for (var part = 0u; part < 8u; part++) {
        let place = first + part * params.step;
        copy[place] = original[place];
    }
}
