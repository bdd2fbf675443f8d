//! Products of matrices that were both computed. Those with a layer's weights are convolutions.

#[cfg(feature = "verify")]
mod checks;
#[cfg(feature = "verify")]
mod reference;

use std::sync::LazyLock;

#[cfg(feature = "verify")]
pub use checks::{ProductShape, case};

use super::kernel::{shader, workgroups};
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

/// Rows that an invocation makes.
const ROWS: usize = 4;

/// Channel blocks that an invocation makes.
const BLOCKS: usize = 4;

static KERNEL: LazyLock<Kernel> = LazyLock::new(|| {
    let mut kernel = Kernel::new(
        "product",
        shader!("product.wgsl"),
        Params::FIELDS,
        &[Role::MapIn, Role::MapIn, Role::MapOut],
        #[cfg(feature = "verify")]
        checks::CHECKS,
    )
    .with_dtypes(Dtypes::MAPS_AND_PRODUCTS);
    let rows = ("ROWS", Def::Number(ROWS as u32));
    kernel.defs.to_mut().push(rows);
    kernel
});

/// All variants.
pub fn kernels() -> Vec<&'static Kernel> {
    vec![&KERNEL]
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
/// as left ones, or one that serves all. An invocation makes 4 rows by 16 columns. Binds the left matrices, the
/// right ones, and the [result](output).
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
    Dispatch::new(KERNEL.shader(dtypes), &params, params.workgroups())
}

impl Params {
    /// One for the rows of 64 invocations in their columns, in a matrix.
    fn workgroups(&self) -> [u32; 3] {
        let rows = (self.rows as usize).div_ceil(64 * ROWS);
        let columns = (self.right_blocks as usize).div_ceil(BLOCKS);
        workgroups(64 * rows * columns * self.batches as usize)
    }
}

/// Rows and columns of a tensor's matrices.
fn matrix(layout: &Layout) -> [usize; 2] {
    match layout.shape[..] {
        [.., rows, columns] => [rows, columns],
        _ => panic!("a matrix has rows and columns"),
    }
}
