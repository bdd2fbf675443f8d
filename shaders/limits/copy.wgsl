// As much memory traffic as a device can do: a workgroup copies 512 neighbouring vec4, in the order
// that it is told.

struct Params {
    across: u32, // workgroups
    lane_step: u32, // from a lane's first vec4 to the next lane's
    step: u32, // from one vec4 of a lane to its next
    unused: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> original: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read_write> copy: array<vec4<f32>>;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let first = (group.y * params.across + group.x) * 512u + lane * params.lane_step;
    for (var part = 0u; part < 8u; part++) {
        let place = first + part * params.step;
        copy[place] = original[place];
    }
}
