//! Attention within windows of a map: scores, softmax and sums in one.

#[cfg(feature = "verify")]
mod checks;
#[cfg(feature = "verify")]
mod reference;

#[cfg(feature = "verify")]
pub use checks::{AttentionShape, case};

use super::kernel::{folded, shader};
use super::params::params;
use super::{Dispatch, Dtypes, Kernel, Role};

params! {
    /// What the kernel is told.
    pub struct Params {
        /// Height and width of the map.
        size: [u32; 2],
        /// Heads, which share the channels out.
        heads: u32,
        /// Channel blocks of a head.
        blocks: u32,
        /// Pixels along the side of a window of queries.
        window: u32,
        /// Pixels along the side of a window of keys, around the same centre.
        key_window: u32,
        /// How far windows lie to the right and below of where they do at 0.
        shift: u32,
        /// What scores are multiplied by.
        scale: f32,
        /// What the difference of a key's and a query's place is multiplied by, to find their bias.
        direction: i32,
        /// What is added to it then.
        first: i32,
        /// Alignment.
        unused: [u32; 2],
    }
}

/// Invocations of a workgroup, which make queries of one window and head.
const INVOCATIONS: u32 = 32;

/// Queries that an invocation makes.
const QUERIES: u32 = 2;

/// Channel blocks that an invocation makes of its queries.
const BLOCKS: u32 = 8;

/// Of all dtypes.
pub static KERNEL: Kernel = Kernel::new(
    "window_attention",
    shader!("window_attention.wgsl"),
    Params::FIELDS,
    &[Role::MapIn, Role::FloatsIn, Role::MapOut],
    #[cfg(feature = "verify")]
    checks::CHECKS,
)
.with_dtypes(Dtypes::MAPS);

/// All variants.
pub fn kernels() -> Vec<&'static Kernel> {
    vec![&KERNEL]
}

impl Params {
    /// An invocation makes 32 channels of a head of two queries. Binds queries, keys and values, each head after
    /// head; the biases, whose heads lie side by side; and the result.
    pub fn dispatch(&self, dtypes: Dtypes) -> Dispatch {
        let [down, across] = self.size.map(|side| side / self.window);
        let parts = self.blocks.div_ceil(BLOCKS);
        let tiles = (self.window * self.window).div_ceil(INVOCATIONS * QUERIES);
        let workgroups = down * across * self.heads * parts * tiles;
        Dispatch::new(KERNEL.shader(dtypes), self, folded(workgroups as usize))
    }
}
