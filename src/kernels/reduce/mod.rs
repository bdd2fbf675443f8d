//! A dimension's values become one.

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

/// What values become.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Reduction {
    /// Their sum.
    Sum,
    /// Their sum, divided by how many they are.
    Mean,
    /// The largest; NaN where there is one.
    Max,
    /// The smallest; NaN where there is one.
    Min,
    /// Their product.
    Product,
    /// The largest magnitude; NaN where there is one.
    MaxAbs,
}

impl Reduction {
    /// All of them.
    pub const ALL: [Self; 6] = [
        Self::Sum,
        Self::Mean,
        Self::Max,
        Self::Min,
        Self::Product,
        Self::MaxAbs,
    ];

    /// What the shader's text is told of it.
    fn defs(self) -> &'static [&'static str] {
        match self {
            Self::Sum => &[],
            Self::Mean => &["MEAN"],
            Self::Max => &["MAX"],
            Self::Min => &["MIN"],
            Self::Product => &["PRODUCT"],
            Self::MaxAbs => &["MAX", "MAGNITUDES"],
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Sum => "sum",
            Self::Mean => "mean",
            Self::Max => "max",
            Self::Min => "min",
            Self::Product => "product",
            Self::MaxAbs => "max abs",
        }
    }
}

static KERNELS: LazyLock<BTreeMap<(Reduction, Along), Kernel>> = LazyLock::new(|| {
    let variants = Reduction::ALL
        .into_iter()
        .flat_map(|reduction| Along::ALL.map(|along| (reduction, along)));
    variants.map(|variant| (variant, record(variant))).collect()
});

/// Which of the variants a kernel is.
#[cfg(feature = "verify")]
fn variant(kernel: &Kernel) -> (Reduction, Along) {
    let mut all = KERNELS.iter();
    let found = all.find(|(_, own)| *own == kernel);
    *found.expect("the kernel is one of them").0
}

/// All variants.
pub fn kernels() -> Vec<&'static Kernel> {
    KERNELS.values().collect()
}

fn record((reduction, along): (Reduction, Along)) -> Kernel {
    let mut kernel = Kernel::new(
        "",
        shader!("reduce.wgsl"),
        Axis::FIELDS,
        &[Role::MapIn, Role::MapOut],
        #[cfg(feature = "verify")]
        checks::checks(reduction),
    )
    .with_dtypes(Dtypes::MAPS_AND_HEADS);
    kernel.name = Cow::Owned(format!("reduce, {} {}", reduction.name(), along.name()));
    let flags = reduction.defs().iter().map(|&name| (name, Def::Flag));
    kernel.defs = flags.chain(along.def()).collect();
    kernel
}

/// How the result of a tensor that lies so lies: as it, with one value in the dimension.
pub fn output(input: &Layout, dimension: usize) -> Layout {
    let mut output = input.clone();
    output.shape[dimension] = 1;
    output
}

/// Of a tensor's dimension, which has one value at least. An invocation makes a channel block of one pixel.
/// Binds the tensor and the [result](output).
pub fn dispatch(
    reduction: Reduction,
    input: &Layout,
    dimension: usize,
    dtypes: Dtypes,
) -> Dispatch {
    let (along, axis) = Axis::of(input, dimension);
    axis.dispatch(along, &KERNELS[&(reduction, along)], dtypes)
}
