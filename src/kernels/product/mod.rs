//! Products of matrices that were both computed. Those with a layer's weights are convolutions.

#[cfg(feature = "verify")]
mod checks;
#[cfg(feature = "verify")]
mod reference;

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::LazyLock;

#[cfg(feature = "verify")]
pub use checks::{ProductShape, case};

use super::kernel::{folded, shader};
use super::params::params;
use super::{Def, Dispatch, Dtypes, Kernel, Layout, Role, words};

params! {
    /// What the kernel is told.
    pub struct Params {
        /// Rows of a left matrix.
        rows: u32,
        /// Columns of a left matrix, rows of a right one.
        depth: u32,
        /// Columns of a right matrix.
        columns: u32,
        /// Products.
        batches: u32,
        /// Channel blocks of a left matrix's row.
        left_blocks: u32,
        /// Channel blocks of a right matrix's row.
        right_blocks: u32,
        /// Channel blocks from a batch's right matrix to the next one's; 0 where one serves all.
        right_step: u32,
        /// Alignment.
        unused: u32,
    }
}

/// Invocations of a workgroup, which share nothing: few, since many products are of few rows.
const INVOCATIONS: usize = 32;

/// Channel blocks that an invocation makes.
const BLOCKS: usize = 4;

/// Rows that an invocation makes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Rows {
    Four = 4,
    Eight = 8,
}

impl Rows {
    const ALL: [Self; 2] = [Self::Four, Self::Eight];

    /// For matrices of so many. Eight are up to half as fast again, unless there are too few to occupy a CPU's
    /// vectors (of eight invocations).
    fn of(rows: usize) -> Self {
        match rows {
            0..=32 => Self::Four,
            _ => Self::Eight,
        }
    }
}

static KERNELS: LazyLock<BTreeMap<Rows, Kernel>> =
    LazyLock::new(|| Rows::ALL.map(|rows| (rows, record(rows))).into());

/// All variants.
pub fn kernels() -> Vec<&'static Kernel> {
    KERNELS.values().collect()
}

fn record(rows: Rows) -> Kernel {
    let mut kernel = Kernel::new(
        "",
        shader!("product.wgsl"),
        Params::FIELDS,
        &[Role::MapIn, Role::MapIn, Role::MapOut],
        #[cfg(feature = "verify")]
        checks::CHECKS,
    )
    .with_dtypes(Dtypes::MAPS_AND_PRODUCTS);
    kernel.name = Cow::Owned(format!("product {}×16", rows as usize));
    let defs = kernel.defs.to_mut();
    defs.extend([
        ("ROWS", Def::Number(rows as u32)),
        ("INVOCATIONS", Def::Number(INVOCATIONS as u32)),
    ]);
    if rows == Rows::Eight {
        defs.push(("EIGHT_ROWS", Def::Flag));
    }
    kernel
}

/// How the product of tensors that lie so lies: `[…, M, N]`, the last dimension side by side.
///
/// # Panics
/// If one of them is no matrix.
pub fn output(left: &Layout, right: &Layout) -> Layout {
    let mut shape = left.shape.clone();
    let (columns, inner) = (matrix(right)[1], shape.len() - 1);
    shape[inner] = columns;
    Layout { shape, inner }
}

/// Of matrices `[…, M, K]` and `[…, K, N]`, the last dimension of both side by side. There are as many right ones
/// as left ones, or one that serves all. An invocation makes 4 or 8 rows by 16 columns. Binds the left
/// matrices, the right ones, and the [result](output).
///
/// # Panics
/// If one of them is no matrix.
pub fn dispatch(left: &Layout, right: &Layout, dtypes: Dtypes) -> Dispatch {
    let ([rows, depth], [_, columns]) = (matrix(left), matrix(right));
    let [batches, rights] = [left, right].map(|layout| layout.pixels() / matrix(layout)[0]);
    let right_step = match rights {
        1 => 0,
        _ => depth * right.blocks(),
    };
    let variant = Rows::of(rows);
    let tiles = [
        rows.div_ceil(INVOCATIONS * variant as usize),
        right.blocks().div_ceil(BLOCKS),
        batches,
    ];
    let [rows, depth, columns, batches] = words([rows, depth, columns, batches]);
    let [left_blocks, right_blocks, right_step] =
        words([left.blocks(), right.blocks(), right_step]);
    let params = Params {
        rows,
        depth,
        columns,
        batches,
        left_blocks,
        right_blocks,
        right_step,
        unused: 0,
    };
    let shader = KERNELS[&variant].shader(dtypes);
    Dispatch::new(shader, &params, folded(tiles.iter().product()))
}

/// Rows and columns of a tensor's matrices.
fn matrix(layout: &Layout) -> [usize; 2] {
    match layout.shape[..] {
        [.., rows, columns] => [rows, columns],
        _ => panic!("a matrix has rows and columns"),
    }
}
