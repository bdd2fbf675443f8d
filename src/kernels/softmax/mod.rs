//! Softmax over a dimension's values.

#[cfg(feature = "verify")]
mod checks;
#[cfg(feature = "verify")]
mod reference;

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::LazyLock;

#[cfg(feature = "verify")]
pub use checks::case;

use super::axis::{Along, Axis};
use super::kernel::shader;
use super::{Def, Dispatch, Dtypes, Kernel, Layout, Role};

/// Which of the functions that make shares of a sum.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Softmax {
    /// Exponentials as shares of their sum. NaN where a value is NaN or ∞, or all are −∞.
    Plain,
    /// The shares' logarithms.
    Log,
    /// The shares of the values negated.
    Min,
    /// As plain, but 0 where all values are −∞: of attention, whose mask may leave nothing.
    Masked,
}

impl Softmax {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Plain, Self::Log, Self::Min, Self::Masked];

    /// What the shader's text is told of it.
    fn def(self) -> Option<(&'static str, Def)> {
        let name = match self {
            Self::Plain => return None,
            Self::Log => "LOG",
            Self::Min => "MIN",
            Self::Masked => "MASKED",
        };
        Some((name, Def::Flag))
    }

    fn name(self) -> &'static str {
        match self {
            Self::Plain => "softmax",
            Self::Log => "log softmax",
            Self::Min => "softmin",
            Self::Masked => "masked softmax",
        }
    }
}

static KERNELS: LazyLock<BTreeMap<(Softmax, Along), Kernel>> = LazyLock::new(|| {
    let variants = Softmax::ALL
        .into_iter()
        .flat_map(|kind| Along::ALL.map(|along| (kind, along)));
    variants.map(|variant| (variant, record(variant))).collect()
});

/// Which of the variants a kernel is.
#[cfg(feature = "verify")]
fn variant(kernel: &Kernel) -> (Softmax, Along) {
    let mut all = KERNELS.iter();
    let found = all.find(|(_, own)| *own == kernel);
    *found.expect("the kernel is one of them").0
}

/// All variants.
pub fn kernels() -> Vec<&'static Kernel> {
    KERNELS.values().collect()
}

fn record((kind, along): (Softmax, Along)) -> Kernel {
    let mut kernel = Kernel::new(
        "",
        shader!("softmax.wgsl"),
        Axis::FIELDS,
        &[Role::MapIn, Role::MapOut],
        #[cfg(feature = "verify")]
        checks::CHECKS,
    )
    .with_dtypes(Dtypes::MAPS_AND_HEADS);
    kernel.name = Cow::Owned(format!("{} {}", kind.name(), along.name()));
    kernel.defs = kind.def().into_iter().chain(along.def()).collect();
    kernel
}

/// Over a tensor's dimension, which has one value at least. An invocation makes a block of all the dimension's
/// pixels, or all of a pixel's channels. Binds the tensor and the result, which lies as it does.
pub fn dispatch(kind: Softmax, input: &Layout, dimension: usize, dtypes: Dtypes) -> Dispatch {
    let (along, axis) = Axis::of(input, dimension);
    axis.dispatch(along, &KERNELS[&(kind, along)], dtypes)
}
