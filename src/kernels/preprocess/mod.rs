//! From an 8-bit RGBA picture to the network's input.

#[cfg(feature = "verify")]
mod checks;
#[cfg(feature = "verify")]
mod reference;

use std::borrow::Cow;
use std::sync::LazyLock;

#[cfg(feature = "verify")]
pub use checks::{PreprocessShape, case};

use super::kernel::{shader, workgroups};
use super::params::params;
use super::{Def, Dispatch, Dtype, Dtypes, Kernel, Role};

/// How a picture's pixels are made ones of another size.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sampling {
    /// Bilinear, half-pixel centres, no antialiasing, over normalized values.
    Bilinear,
    /// Through triangles as wide as the scale, over bytes, rounded to bytes across and then down.
    Antialiased,
    /// Bilinear, from index to index, no antialiasing, over bytes, black beyond the picture.
    Warped,
}

params! {
    /// What the kernels are told.
    pub struct Params {
        /// Height and width of the input that is made.
        padded: [u32; 2],
        /// What bytes are divided by.
        divisor: f32,
        /// 1 where the input's channels are blue, green, red, else 0.
        is_bgr: u32,
        /// What is subtracted then, in the input's order; the fourth is unused.
        mean: [f32; 4],
        /// What is divided by in the end, in the input's order; the fourth is unused.
        deviation: [f32; 4],
    }
}

static BILINEAR: LazyLock<Kernel> = LazyLock::new(|| record(Sampling::Bilinear));
static ANTIALIASED: LazyLock<Kernel> = LazyLock::new(|| record(Sampling::Antialiased));
static WARPED: LazyLock<Kernel> = LazyLock::new(|| record(Sampling::Warped));

/// The kernel that samples so.
pub fn kernel(sampling: Sampling) -> &'static Kernel {
    match sampling {
        Sampling::Bilinear => &BILINEAR,
        Sampling::Antialiased => &ANTIALIASED,
        Sampling::Warped => &WARPED,
    }
}

/// All variants.
pub fn kernels() -> Vec<&'static Kernel> {
    vec![&BILINEAR, &ANTIALIASED, &WARPED]
}

/// The picture is always of bytes; the input may be stored in 16 bits.
const DTYPES: &[Dtypes] = &[Dtypes::F32, Dtypes::stored(Dtype::F32, Dtype::F16)];

fn record(sampling: Sampling) -> Kernel {
    let mut kernel = Kernel::new(
        "preprocess",
        shader!("preprocess.wgsl"),
        Params::FIELDS,
        &[Role::Frame, Role::Picture, Role::MapOut],
        #[cfg(feature = "verify")]
        checks::checks(sampling),
    )
    .with_dtypes(DTYPES);
    let special = match sampling {
        Sampling::Bilinear => None,
        Sampling::Antialiased => Some(("preprocess, antialiased", "ANTIALIASED")),
        Sampling::Warped => Some(("preprocess, warped", "WARPED")),
    };
    if let Some((name, flag)) = special {
        kernel.name = Cow::Borrowed(name);
        kernel.defs.to_mut().push((flag, Def::Flag));
    }
    kernel
}

impl Params {
    /// An invocation makes one pixel. Binds the frame, the picture and the result.
    pub fn dispatch(&self, sampling: Sampling, dtypes: Dtypes) -> Dispatch {
        let [height, width] = self.padded;
        let invocations = (height * width) as usize;
        Dispatch::new(
            kernel(sampling).shader(dtypes),
            self,
            workgroups(invocations),
        )
    }
}
