// A dimension's values become one: their sum, or with a def their mean, product, smallest or largest. An
// invocation makes a channel block of one pixel; ALONG_CHANNELS, a pixel's one channel.

#import fpn::axis::{Line, params, lines, line_of, block_at, are_values}
#import fpn::dtype::{Result, packed}
#import fpn::nan::are_nan

@group(0) @binding(2) var<storage, read_write> result: array<Result>; // [before][after][block]

fn combined(total: vec4<f32>, value: vec4<f32>) -> vec4<f32> {
    // Not max and min, which may swallow NaN.
#ifdef MAX
    return select(total, value, (value > total) | are_nan(value));
#else ifdef MIN
    return select(total, value, (value < total) | are_nan(value));
#else ifdef PRODUCT
    return total * value;
#else
    return total + value;
#endif
}

// What changes no total: where it is chosen, a value that takes part anyway.
fn neutral(value: vec4<f32>) -> vec4<f32> {
#ifdef MAX
    return value.xxxx;
#else ifdef MIN
    return value.xxxx;
#else ifdef PRODUCT
    return vec4<f32>(1.0);
#else
    return vec4<f32>();
#endif
}

fn values_at(line: Line, at: u32) -> vec4<f32> {
#ifdef MAGNITUDES
    let value = abs(block_at(line, at));
#else
    let value = block_at(line, at);
#endif
    return select(neutral(value), value, are_values(line, at));
}

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) workgroups: vec3<u32>) {
    let index = id.x + id.y * workgroups.x * 64u;
    if index >= lines() {
        return;
    }
    let line = line_of(index);
    var total = values_at(line, 0u);
    for (var at = 1u; at < line.count; at++) {
        total = combined(total, values_at(line, at));
    }
#ifdef ALONG_CHANNELS
    total = combined(total, total.zwxy);
    total = combined(total, total.yxwz);
    let are_made = vec4<bool>(true, false, false, false);
#else
    let are_made = are_values(line, 0u);
#endif
#ifdef MEAN
    total /= f32(params.extent);
#endif
    result[index] = packed(select(vec4<f32>(), total, are_made));
}
