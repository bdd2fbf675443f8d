// As many multiplications with addition as a device can do: sums stay in registers, memory is left
// alone but for one number an invocation at the end, without which a driver would drop the rest.

struct Params {
    rounds: u32,
    factor: f32,
    term: f32,
    unused: u32,
}

// Eight sums that do not wait for each other: a CPU's vector units need as many to be busy all the
// time, and have registers for no more than twelve.
struct Sums {
    a: vec4<f32>,
    b: vec4<f32>,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read_write> result: array<f32>;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
    let start = vec4<f32>(f32(id.x % 64u)) + vec4<f32>(0.0, 1.0, 2.0, 3.0);
    var sums = Sums(start, start + 4.0);
    for (var round = 0u; round < params.rounds; round++) {
        sums = sixteen(sixteen(sixteen(sixteen(sums))));
    }
    let sum = sums.a + sums.b;
    result[id.x] = sum.x + sum.y + sum.z + sum.w;
}

// Written out, so that the loop's own work is small beside it.
fn sixteen(sums: Sums) -> Sums {
    return four(four(four(four(sums))));
}

fn four(sums: Sums) -> Sums {
    return one(one(one(one(sums))));
}

fn one(sums: Sums) -> Sums {
    let factor = vec4<f32>(params.factor);
    let term = vec4<f32>(params.term);
    return Sums(fma(sums.a, factor, term), fma(sums.b, factor, term));
}
