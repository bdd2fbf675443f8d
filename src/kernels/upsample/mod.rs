//! Maps brought to another size, larger or smaller.

#[cfg(feature = "verify")]
mod checks;
#[cfg(feature = "verify")]
mod reference;

use std::borrow::Cow;
use std::sync::LazyLock;

#[cfg(feature = "verify")]
pub use checks::{ResizeShape, case};

use super::kernel::{shader, workgroups};
use super::params::params;
use super::upsample_add::Upsampling;
use super::{Def, Dispatch, Dtypes, Kernel, Role, blocks, words};

params! {
    /// What the kernels are told.
    pub struct Params {
        /// Height and width of the input.
        in_size: [u32; 2],
        /// Height and width of the output.
        out_size: [u32; 2],
        /// Channel blocks.
        blocks: u32,
        /// Maps that are brought to the size alike.
        items: u32,
        /// Cells of the input for one of the output, down and across, where they are bilinear.
        scale: [f32; 2],
        /// A cell's centre, from where bilinear places are scaled: half a cell in, or 0 where the corner
        /// cells' centres lie on each other.
        centre: f32,
        /// Alignment.
        unused: u32,
    }
}

static NEAREST: LazyLock<Kernel> = LazyLock::new(|| record(Upsampling::Nearest));
static BILINEAR: LazyLock<Kernel> = LazyLock::new(|| record(Upsampling::Bilinear));

/// The kernel that reads the input so.
pub fn kernel(upsampling: Upsampling) -> &'static Kernel {
    match upsampling {
        Upsampling::Nearest => &NEAREST,
        Upsampling::Bilinear => &BILINEAR,
    }
}

/// All variants.
pub fn kernels() -> Vec<&'static Kernel> {
    vec![&NEAREST, &BILINEAR]
}

fn record(upsampling: Upsampling) -> Kernel {
    let mut kernel = Kernel::new(
        "upsample",
        shader!("upsample.wgsl"),
        Params::FIELDS,
        &[Role::MapIn, Role::MapOut],
        #[cfg(feature = "verify")]
        checks::checks(upsampling),
    )
    .with_dtypes(Dtypes::MAPS);
    if upsampling == Upsampling::Bilinear {
        kernel.name = Cow::Borrowed("upsample, bilinear");
        kernel.defs.to_mut().push(("BILINEAR", Def::Flag));
    }
    kernel
}

impl Params {
    /// So many items and channels from one size to another, with half-pixel centres.
    pub fn new(in_size: [usize; 2], out_size: [usize; 2], [items, channels]: [usize; 2]) -> Self {
        Self {
            in_size: words(in_size),
            out_size: words(out_size),
            blocks: blocks(channels) as u32,
            items: items as u32,
            scale: [0, 1].map(|axis| in_size[axis] as f32 / out_size[axis] as f32),
            centre: 0.5,
            unused: 0,
        }
    }

    /// The same with the corner cells' centres on each other: PyTorch's `align_corners=True`.
    pub fn aligned(self) -> Self {
        let steps = |side: u32| side.saturating_sub(1);
        let scale = |axis: usize| {
            let [from, to] = [self.in_size, self.out_size].map(|size| steps(size[axis]) as f32);
            from / to.max(1.0)
        };
        Self {
            scale: [0, 1].map(scale),
            centre: 0.0,
            ..self
        }
    }

    /// An invocation makes a channel block of one pixel. Binds the map and the result.
    pub fn dispatch(&self, upsampling: Upsampling, dtypes: Dtypes) -> Dispatch {
        let [height, width] = self.out_size;
        let invocations = (self.items * height * width * self.blocks) as usize;
        let shader = kernel(upsampling).shader(dtypes);
        Dispatch::new(shader, self, workgroups(invocations))
    }
}
