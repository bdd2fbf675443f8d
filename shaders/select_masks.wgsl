// Of each RoI's masks that of its label, as probabilities. An invocation makes four pixels.

struct Params {
    rois: u32,
    pixels: u32, // of a mask
    classes: u32,
    pitch: u32, // floats a pixel in memory
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read_write> logits: array<f32>; // [RoI][pixel][class]
@group(0) @binding(2) var<storage, read_write> labels: array<u32>; // a RoI
@group(0) @binding(3) var<storage, read_write> masks: array<vec4<f32>>; // [RoI][four pixels]

fn probability(roi: u32, pixel: u32, label: u32) -> f32 {
    if pixel >= params.pixels {
        return 0.0;
    }
    return 1.0 / (1.0 + exp(-logits[(roi * params.pixels + pixel) * params.pitch + label]));
}

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) workgroups: vec3<u32>) {
    let index = id.x + id.y * workgroups.x * 64u;
    let fours = (params.pixels + 3u) / 4u;
    if index >= params.rois * fours {
        return;
    }
    let roi = index / fours;
    let pixel = 4u * (index % fours);
    // Behind the last detection it may be anything.
    let label = min(labels[roi], params.classes - 1u);
    masks[index] = vec4<f32>(
        probability(roi, pixel, label),
        probability(roi, pixel + 1u, label),
        probability(roi, pixel + 2u, label),
        probability(roi, pixel + 3u, label),
    );
}
