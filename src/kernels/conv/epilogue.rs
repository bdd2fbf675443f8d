//! What happens to a convolution's sum before it is stored: variants of its shaders.

use std::borrow::Cow;
use std::fmt;

use crate::kernels::upsample_add::Upsampling;
use crate::kernels::{Def, Kernel, Role};

/// What follows the sum.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Epilogue {
    /// Nothing.
    None,
    /// Bias and activation.
    Bias,
    /// Bias, activation, another map of the output's size or upsampled to it, activation.
    Residual(Upsampling),
    /// Bias and activation; then PixelShuffle, by where values are stored: each pixel becomes a square.
    Shuffled,
}

impl Epilogue {
    /// All of them.
    pub const ALL: [Self; 5] = [
        Self::None,
        Self::Bias,
        Self::Residual(Upsampling::Nearest),
        Self::Residual(Upsampling::Bilinear),
        Self::Shuffled,
    ];

    /// Those of a kernel that has at least a bias.
    pub const WITH_BIAS: [Self; 4] = [
        Self::Bias,
        Self::Residual(Upsampling::Nearest),
        Self::Residual(Upsampling::Bilinear),
        Self::Shuffled,
    ];

    /// The same of a kernel that makes channels of certain others, and so cannot make them in the order that
    /// PixelShuffle asks for.
    pub const IN_ORDER: [Self; 3] = [
        Self::Bias,
        Self::Residual(Upsampling::Nearest),
        Self::Residual(Upsampling::Bilinear),
    ];

    /// A kernel with this epilogue: its bindings follow those that are there, its name says how it
    /// differs from the one with a bias.
    pub(in crate::kernels) fn of(self, name: &str, mut kernel: Kernel) -> Kernel {
        kernel.name = Cow::Owned(format!("{name}{self}"));
        let bindings: &[(&str, &str, Role)] = match self {
            Self::None => &[],
            Self::Bias | Self::Shuffled => &[("EPILOGUE", "BIAS", Role::Bias)],
            Self::Residual(_) => &[
                ("EPILOGUE", "BIAS", Role::Bias),
                ("WITH_RESIDUAL", "RESIDUAL", Role::MapIn),
            ],
        };
        for &(flag, index, role) in bindings {
            let roles = kernel.roles.to_mut();
            roles.push(role);
            let binding = Def::Number(roles.len() as u32);
            kernel
                .defs
                .to_mut()
                .extend([(flag, Def::Flag), (index, binding)]);
        }
        let way = match self {
            Self::Residual(Upsampling::Bilinear) => Some("BILINEAR"),
            Self::Shuffled => Some("SHUFFLED"),
            _ => None,
        };
        let way = way.map(|flag| (flag, Def::Flag));
        kernel.defs.to_mut().extend(way);
        kernel
    }
}

impl fmt::Display for Epilogue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::None => ", sums alone",
            Self::Bias => "",
            Self::Residual(Upsampling::Nearest) => ", with residual",
            Self::Residual(Upsampling::Bilinear) => ", with bilinear residual",
            Self::Shuffled => ", shuffled",
        })
    }
}
