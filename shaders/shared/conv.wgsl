enable f16;
#define_import_path fpn::conv

// What the forms of the convolution share: parameters, where a window's cells lie, and what happens
// to a sum before it is stored. A map may be of several items, whose pixels follow each other. Several
// products may lie one behind the other in all buffers, weights too, as batches; a map is of one item then.

#import fpn::activation::leaky
#import fpn::bilinear::{between, tap}
#import fpn::dtype::{Stored, Result, packed, unpacked}

// Four channels of what is multiplied: computed with as they are stored, or unpacked before.
#ifdef PRODUCT_F16

struct Factor {
    value: vec4<f16>,
}

fn block_of(factor: Factor) -> vec4<f16> {
    return factor.value;
}

// Sums are kept in 32 bits.
fn wide(product: mat4x4<f16>) -> mat4x4<f32> {
    return mat4x4<f32>(vec4<f32>(product[0]), vec4<f32>(product[1]), vec4<f32>(product[2]), vec4<f32>(product[3]));
}

#else

struct Factor {
    value: Stored,
}

fn block_of(factor: Factor) -> vec4<f32> {
    return unpacked(factor.value);
}

fn wide(product: mat4x4<f32>) -> mat4x4<f32> {
    return product;
}

#endif

struct Params {
    in_size: vec2<u32>, // height, width
    out_size: vec2<u32>,
    in_blocks: u32, // channels of the input by fours
    out_blocks: u32, // channels this convolution makes, by fours
    out_stride: u32, // channels of the output's pixels by fours: others may write beside
    out_first: u32,
    kernel: vec2<u32>,
    stride: vec2<u32>,
    dilation: vec2<u32>,
    padding: vec2<u32>,
    residual_size: vec2<u32>,
    inner_slope: f32,
    outer_slope: f32,
    items: u32,
    pixels: u32, // of the outputs of all items
    first_tile: u32, // of a Winograd convolution's tiles, those that are worked on
    tiles: u32,
    group_in_blocks: u32, // of a group's channels; where there is one group, all
    group_out_blocks: u32,
    shuffle: u32, // PixelShuffle's factor: a side of the square that a pixel becomes
    cell_blocks: u32, // channels of each of the square's cells, by fours
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read_write> image: array<Factor>; // [batch][item][y][x][block]
@group(0) @binding(2) var<storage, read_write> result: array<Result>; // [batch][item][y][x][block]
#ifdef EPILOGUE
@group(0) @binding(#{BIAS}) var<storage, read> bias: array<vec4<f32>>; // [out block]
#endif
#ifdef WITH_RESIDUAL
@group(0) @binding(#{RESIDUAL}) var<storage, read_write> residual: array<Stored>; // [item][y][x][out block]
#endif

// A pixel of the output: its item, and its place in it.
struct Pixel {
    item: u32,
    place: vec2<u32>,
}

fn pixel_at(index: u32) -> Pixel {
    let size = params.out_size.x * params.out_size.y;
    let rest = index % size;
    return Pixel(index / size, vec2<u32>(rest / params.out_size.y, rest % params.out_size.y));
}

// Where a window begins, and the first row of the input's item that it lies in.
struct Corner {
    place: vec2<i32>,
    first_row: u32,
}

// That of a cell that the padded map is counted from.
fn corner_at(place: vec2<u32>, item: u32, batch: u32) -> Corner {
    let first_row = (batch * params.items + item) * params.in_size.x;
    return Corner(vec2<i32>(place) - vec2<i32>(params.padding), first_row);
}

// That of an output's pixel; past the last pixel, that of the last.
fn corner(index: u32, batch: u32) -> Corner {
    let pixel = pixel_at(min(index, params.pixels - 1u));
    return corner_at(pixel.place * params.stride, pixel.item, batch);
}

// A cell of the input: its first block, and by what it is multiplied: 0 outside the map.
struct Cell {
    start: u32,
    inside: f32,
}

fn cell(window: Corner, tap: vec2<i32>) -> Cell {
    let place = window.place + tap;
    let size = vec2<i32>(params.in_size);
    let is_inside = all(place >= vec2<i32>(0)) && all(place < size);
    let clamped = vec2<u32>(clamp(place, vec2<i32>(0), size - 1));
    let row = window.first_row + clamped.x;
    return Cell((row * params.in_size.y + clamped.y) * params.in_blocks, select(0.0, 1.0, is_inside));
}

#ifdef PRODUCT_F16
fn load(at: Cell, block: u32) -> vec4<f16> {
    return block_of(image[at.start + block]) * f16(at.inside);
}
#else
fn load(at: Cell, block: u32) -> vec4<f32> {
    return block_of(image[at.start + block]) * at.inside;
}
#endif

// Four pixels that follow each other.
struct Cells {
    a: Cell,
    b: Cell,
    c: Cell,
    d: Cell,
}

struct Corners {
    a: Corner,
    b: Corner,
    c: Corner,
    d: Corner,
}

fn corners_of(pixel: u32, batch: u32) -> Corners {
    return Corners(
        corner(pixel, batch),
        corner(pixel + 1u, batch),
        corner(pixel + 2u, batch),
        corner(pixel + 3u, batch),
    );
}

fn cells_of(corners: Corners, tap: vec2<i32>) -> Cells {
    return Cells(cell(corners.a, tap), cell(corners.b, tap), cell(corners.c, tap), cell(corners.d, tap));
}

// Where a filter's tap lies, from its window's beginning.
fn tap_at(ky: u32, kx: u32) -> vec2<i32> {
    return vec2<i32>(vec2<u32>(ky, kx) * params.dilation);
}

#ifdef PRODUCT_F16
fn load_four(cells: Cells, block: u32) -> mat4x4<f16> {
    return mat4x4<f16>(load(cells.a, block), load(cells.b, block), load(cells.c, block), load(cells.d, block));
}
#else
fn load_four(cells: Cells, block: u32) -> mat4x4<f32> {
    return mat4x4<f32>(load(cells.a, block), load(cells.b, block), load(cells.c, block), load(cells.d, block));
}
#endif

#ifdef EPILOGUE
virtual fn finish(value: vec4<f32>) -> vec4<f32> {
    // Nothing, unless a kernel has a chain at its end. (A comment before this would be taken for a part of it.)
    return value;
}
#endif

// Four channels of four pixels that follow each other, a pixel a column.
fn store(sums: mat4x4<f32>, pixel: u32, block: u32, batch: u32) {
    store_pixel(sums[0], pixel, block, batch);
    store_pixel(sums[1], pixel + 1u, block, batch);
    store_pixel(sums[2], pixel + 2u, block, batch);
    store_pixel(sums[3], pixel + 3u, block, batch);
}

fn store_pixel(sum: vec4<f32>, pixel: u32, block: u32, batch: u32) {
#ifdef SHUFFLED
    // Not behind the branch: drivers then compute a pixel's part once for all of its blocks.
    let place = square_at(batch * params.pixels + pixel) + within_square(block);
#endif
    if pixel >= params.pixels || block >= params.out_blocks {
        return;
    }
    var value = sum;
#ifdef EPILOGUE
    value = leaky(value + bias[block], params.inner_slope);
#ifdef WITH_RESIDUAL
    value += residual_at(pixel, block);
#endif
    value = finish(leaky(value, params.outer_slope));
#endif
#ifdef SHUFFLED
    result[place] = packed(value);
#else
    result[(batch * params.pixels + pixel) * params.out_stride + params.out_first + block] = packed(value);
#endif
}

#ifdef SHUFFLED

// Where the square of cells begins that a pixel becomes. Items follow each other in rows.
fn square_at(pixel: u32) -> u32 {
    let row = pixel / params.out_size.y;
    let rows_between = row * (params.shuffle - 1u) * params.out_size.y;
    return (pixel + rows_between) * params.shuffle * params.out_stride;
}

// Where a block of one of its cells lies from there; the blocks of each cell follow those of the one before.
fn within_square(block: u32) -> u32 {
    let cell = block / params.cell_blocks;
    let down = cell / params.shuffle * params.shuffle * params.out_size.y;
    return (down + cell % params.shuffle) * params.out_stride + params.out_first + block % params.cell_blocks;
}

#endif

#ifdef WITH_RESIDUAL

fn residual_cell(item: u32, y: u32, x: u32, block: u32) -> vec4<f32> {
    let row = item * params.residual_size.x + y;
    return unpacked(residual[(row * params.residual_size.y + x) * params.out_blocks + block]);
}

#ifdef BILINEAR

// What lies between the four nearest cells of a coarser map.
fn residual_at(index: u32, block: u32) -> vec4<f32> {
    let pixel = pixel_at(index);
    let down = tap(pixel.place.x, params.residual_size.x, params.out_size.x);
    let across = tap(pixel.place.y, params.residual_size.y, params.out_size.y);
    let top = between(
        across,
        residual_cell(pixel.item, down.low, across.low, block),
        residual_cell(pixel.item, down.low, across.high, block),
    );
    let bottom = between(
        across,
        residual_cell(pixel.item, down.high, across.low, block),
        residual_cell(pixel.item, down.high, across.high, block),
    );
    return between(down, top, bottom);
}

#else

// The same cell, or the nearest of a coarser map.
fn residual_at(index: u32, block: u32) -> vec4<f32> {
    let pixel = pixel_at(index);
    let coarse = pixel.place * params.residual_size / params.out_size;
    return residual_cell(pixel.item, coarse.x, coarse.y, block);
}

#endif

#endif
