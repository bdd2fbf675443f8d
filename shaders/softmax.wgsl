// Exponentials of a dimension's values, as shares of their sum; with LOG the shares' logarithms, with MIN of
// the values negated. With MASKED, where all values are −∞, the shares are 0. An invocation makes a block of
// all the dimension's pixels; ALONG_CHANNELS, all of a pixel's channels.

#import fpn::axis::{Line, lines, line_of, block_at, are_values}
#import fpn::dtype::{Result, packed}
#import fpn::nan::are_nan

@group(0) @binding(2) var<storage, read_write> result: array<Result>; // as what is read

const LOWEST: f32 = -3.4028234e38;
const SMALLEST_NORMAL: f32 = 1.1754944e-38;

fn values_at(line: Line, at: u32) -> vec4<f32> {
#ifdef MIN
    return -block_at(line, at);
#else
    return block_at(line, at);
#endif
}

fn larger(a: vec4<f32>, b: vec4<f32>) -> vec4<f32> {
    return select(a, b, b > a);
}

// In lanes that hold no value, one that there is.
fn filled_at(line: Line, at: u32) -> vec4<f32> {
    let value = values_at(line, at);
    return select(value.xxxx, value, are_values(line, at));
}

fn largest_of(line: Line) -> vec4<f32> {
    var most = filled_at(line, 0u);
    for (var at = 1u; at < line.count; at++) {
        most = larger(most, filled_at(line, at));
    }
#ifdef ALONG_CHANNELS
    most = larger(most, most.zwxy);
    most = larger(most, most.yxwz);
#endif
#ifdef MASKED
    most = larger(most, vec4<f32>(LOWEST));
#endif
    return most;
}

// What would be a denormal number, which drivers may take for 0 or not, is 0. SwiftShader's exp swallows NaN.
fn exponential(value: vec4<f32>) -> vec4<f32> {
    let normal = select(exp(value), vec4<f32>(), value < vec4<f32>(-87.3));
    return select(normal, value, are_nan(value));
}

fn sum_of(line: Line, most: vec4<f32>) -> vec4<f32> {
    var sum = vec4<f32>();
    for (var at = 0u; at < line.count; at++) {
        sum += select(vec4<f32>(), exponential(values_at(line, at) - most), are_values(line, at));
    }
#ifdef ALONG_CHANNELS
    sum += sum.zwxy;
    sum += sum.yxwz;
#endif
#ifdef MASKED
    sum = larger(sum, vec4<f32>(SMALLEST_NORMAL));
#endif
    return sum;
}

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) workgroups: vec3<u32>) {
    let index = id.x + id.y * workgroups.x * 64u;
    if index >= lines() {
        return;
    }
    let line = line_of(index);
    let most = largest_of(line);
    let sum = sum_of(line, most);
#ifdef LOG
    // SwiftShader's log swallows NaN.
    let log_sum = select(log(sum), sum, are_nan(sum));
#else
    let share = 1.0 / sum;
#endif
    for (var at = 0u; at < line.count; at++) {
        let shifted = values_at(line, at) - most;
#ifdef LOG
        let value = shifted - log_sum;
#else
        let value = exponential(shifted) * share;
#endif
        result[line.first + at * line.step] = packed(select(vec4<f32>(), value, are_values(line, at)));
    }
}
