// The order of the candidates: best score first, ties to the earlier one. An invocation a candidate.

struct Params {
    capacity: u32,
    blocks: u32, // vec4 a candidate; its score opens the last
    unused: vec2<u32>,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read_write> candidates: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read_write> count: array<u32>;
@group(0) @binding(3) var<storage, read_write> order: array<u32>;

fn score_of(candidate: u32) -> f32 {
    return candidates[candidate * params.blocks + params.blocks - 1u].x;
}

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) workgroups: vec3<u32>) {
    let index = id.x + id.y * workgroups.x * 64u;
    let total = min(count[0], params.capacity);
    if index >= total {
        return;
    }
    let own = score_of(index);
    var rank = 0u;
    for (var other = 0u; other < total; other++) {
        let score = score_of(other);
        rank += select(0u, 1u, score > own || (score == own && other < index));
    }
    order[rank] = index;
}
