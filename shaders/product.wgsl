// Products of matrices that were both computed, one behind the other: an invocation keeps the sums of #{ROWS}
// rows times 16 columns in registers, a matrix for each four columns of four rows. Nothing is indexed by a
// loop's counter: drivers would keep it in memory.

enable f16;

struct Params {
    rows: u32, // of a left matrix
    depth: u32, // columns of a left matrix, rows of a right one
    columns: u32, // of a right matrix
    batches: u32,
    left_blocks: u32, // of a left matrix's row
    right_blocks: u32, // of a right matrix's row
    right_step: u32, // blocks from a batch's right matrix to the next one's; 0 where one serves all
    unused: u32,
}

#import fpn::conv::{Factor, block_of, wide}
#import fpn::dtype::{Result, packed}
#import fpn::lanes::are_channels

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read_write> left: array<Factor>; // [batch][row][depth block]
@group(0) @binding(2) var<storage, read_write> right: array<Factor>; // [batch][depth][column block]
@group(0) @binding(3) var<storage, read_write> result: array<Result>; // [batch][row][column block]

// What products are computed in.
#ifdef PRODUCT_F16
alias Block = vec4<f16>;
alias Matrix = mat4x4<f16>;
#else
alias Block = vec4<f32>;
alias Matrix = mat4x4<f32>;
#endif

// Where four rows of the left matrix that follow each other begin.
struct Starts {
    a: u32,
    b: u32,
    c: u32,
    d: u32,
}

// Past the last row, that of the last: what is made of it is not stored.
fn start(row: u32, batch: u32) -> u32 {
    return (batch * params.rows + min(row, params.rows - 1u)) * params.left_blocks;
}

fn starts_of(row: u32, batch: u32) -> Starts {
    return Starts(start(row, batch), start(row + 1u, batch), start(row + 2u, batch), start(row + 3u, batch));
}

// Four columns of the left matrix in four of its rows: a column a row.
fn left_at(starts: Starts, block: u32) -> Matrix {
    return Matrix(
        block_of(left[starts.a + block]),
        block_of(left[starts.b + block]),
        block_of(left[starts.c + block]),
        block_of(left[starts.d + block]),
    );
}

// Four rows of the right matrix in 16 of its columns: a column a row.
struct Rights {
    block0: Matrix,
    block1: Matrix,
    block2: Matrix,
    block3: Matrix,
}

// A row that is there, or zeros: what lies past the last may be infinite.
fn right_row(place: u32, is_there: bool) -> Block {
    return select(Block(), block_of(right[place]), is_there);
}

fn right_at(place: u32, rows: u32) -> Matrix {
    let step = params.right_blocks;
    return Matrix(
        block_of(right[place]),
        right_row(place + step, rows > 1u),
        right_row(place + 2u * step, rows > 2u),
        right_row(place + 3u * step, rows > 3u),
    );
}

fn rights_at(row: u32, first_block: u32, rows: u32) -> Rights {
    // Columns past the last are computed from the last and not stored.
    let last = params.right_blocks - 1u;
    return Rights(
        right_at(row + first_block, rows),
        right_at(row + min(first_block + 1u, last), rows),
        right_at(row + min(first_block + 2u, last), rows),
        right_at(row + min(first_block + 3u, last), rows),
    );
}

// The sums of four rows in 16 columns: a column a row.
struct Sums {
    block0: mat4x4<f32>,
    block1: mat4x4<f32>,
    block2: mat4x4<f32>,
    block3: mat4x4<f32>,
}

fn add_product(sums: ptr<function, Sums>, rights: Rights, rows: Matrix) {
    (*sums).block0 += wide(rights.block0 * rows);
    (*sums).block1 += wide(rights.block1 * rows);
    (*sums).block2 += wide(rights.block2 * rows);
    (*sums).block3 += wide(rights.block3 * rows);
}

fn store_row(sum: vec4<f32>, row: u32, block: u32, batch: u32) {
    if row >= params.rows || block >= params.right_blocks {
        return;
    }
    let value = select(vec4<f32>(), sum, are_channels(block, params.columns));
    result[(batch * params.rows + row) * params.right_blocks + block] = packed(value);
}

fn store(sums: mat4x4<f32>, row: u32, block: u32, batch: u32) {
    store_row(sums[0], row, block, batch);
    store_row(sums[1], row + 1u, block, batch);
    store_row(sums[2], row + 2u, block, batch);
    store_row(sums[3], row + 3u, block, batch);
}

fn store_all(sums: Sums, row: u32, block: u32, batch: u32) {
    store(sums.block0, row, block, batch);
    store(sums.block1, row, block + 1u, batch);
    store(sums.block2, row, block + 2u, batch);
    store(sums.block3, row, block + 3u, batch);
}

@compute @workgroup_size(#{INVOCATIONS})
fn main(
    @builtin(local_invocation_index) invocation: u32,
    // The right matrix's place comes from the group: drivers then see that all invocations read the same one.
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(num_workgroups) workgroups: vec3<u32>,
) {
    let tile = workgroup.x + workgroup.y * workgroups.x;
    let tile_rows = #{INVOCATIONS}u * #{ROWS}u;
    let row_tiles = (params.rows + tile_rows - 1u) / tile_rows;
    let column_tiles = (params.right_blocks + 3u) / 4u;
    let batch = tile / row_tiles / column_tiles;
    let first_block = tile / row_tiles % column_tiles * 4u;
    let first_row = tile % row_tiles * tile_rows + invocation * #{ROWS}u;
    if batch >= params.batches || first_row >= params.rows {
        return;
    }

    let starts = starts_of(first_row, batch);
    var sums: Sums;
#ifdef EIGHT_ROWS
    let more_starts = starts_of(first_row + 4u, batch);
    var more_sums: Sums;
#endif
    var row = batch * params.right_step;
    let whole = params.depth / 4u;
    for (var block = 0u; block < whole; block++) {
        let rights = rights_at(row, first_block, 4u);
        add_product(&sums, rights, left_at(starts, block));
#ifdef EIGHT_ROWS
        add_product(&more_sums, rights, left_at(more_starts, block));
#endif
        row += 4u * params.right_blocks;
    }
    if params.depth % 4u != 0u {
        let rights = rights_at(row, first_block, params.depth % 4u);
        add_product(&sums, rights, left_at(starts, whole));
#ifdef EIGHT_ROWS
        add_product(&more_sums, rights, left_at(more_starts, whole));
#endif
    }

    store_all(sums, first_row, first_block, batch);
#ifdef EIGHT_ROWS
    store_all(more_sums, first_row + 4u, first_block, batch);
#endif
}
