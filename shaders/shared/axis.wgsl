#define_import_path fpn::axis

// A tensor seen along one of its dimensions, for kernels that go over that dimension's values: they lie in
// pixels or, ALONG_CHANNELS, side by side.

#import fpn::dtype::{Stored, unpacked}
#import fpn::lanes::are_channels

struct Params {
    before: u32, // pixels by the dimensions before it
    extent: u32, // values of the dimension
    after: u32, // pixels by the dimensions after it; ALONG_CHANNELS, all pixels are before
    channels: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
#ifdef ALONG_CHANNELS
@group(0) @binding(1) var<storage, read_write> map: array<Stored>; // [before][block]
#else
@group(0) @binding(1) var<storage, read_write> map: array<Stored>; // [before][extent][after][block]
#endif

// What an invocation goes over: blocks, the values of four channels each or four values of one pixel.
struct Line {
    first: u32,
    step: u32,
    count: u32,
    block: u32, // of its pixel's, the first
}

fn blocks() -> u32 {
    return (params.channels + 3u) / 4u;
}

// How many there are.
fn lines() -> u32 {
#ifdef ALONG_CHANNELS
    return params.before;
#else
    return params.before * params.after * blocks();
#endif
}

fn line_of(index: u32) -> Line {
    let blocks = blocks();
#ifdef ALONG_CHANNELS
    return Line(index * blocks, 1u, blocks, 0u);
#else
    let block = index % blocks;
    let pixel = index / blocks;
    let first = pixel / params.after * params.extent * params.after + pixel % params.after;
    return Line(first * blocks + block, params.after * blocks, params.extent, block);
#endif
}

fn block_at(line: Line, at: u32) -> vec4<f32> {
    return unpacked(map[line.first + at * line.step]);
}

// Which of a block's lanes hold values.
fn are_values(line: Line, at: u32) -> vec4<bool> {
#ifdef ALONG_CHANNELS
    return are_channels(at, params.channels);
#else
    return are_channels(line.block, params.channels);
#endif
}
