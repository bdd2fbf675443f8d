//! A tensor seen along one of its dimensions: what kernels are told that go over that dimension's values.

#[cfg(feature = "verify")]
mod checks;
#[cfg(feature = "verify")]
mod reference;

#[cfg(feature = "verify")]
pub(super) use checks::layouts;
#[cfg(feature = "verify")]
pub(super) use reference::Line;

use super::kernel::workgroups;
use super::params::params;
use super::{Def, Dispatch, Dtypes, Kernel, Layout, blocks, words};

/// Where a dimension's values lie.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Along {
    /// In pixels: an invocation goes over a block of each.
    Pixels,
    /// Side by side: an invocation goes over a pixel's blocks.
    Channels,
}

impl Along {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Pixels, Self::Channels];

    /// What a shader's text is told of it.
    pub fn def(self) -> Option<(&'static str, Def)> {
        match self {
            Self::Pixels => None,
            Self::Channels => Some(("ALONG_CHANNELS", Def::Flag)),
        }
    }

    /// How a kernel that goes so is called.
    pub fn name(self) -> &'static str {
        match self {
            Self::Pixels => "along pixels",
            Self::Channels => "along channels",
        }
    }
}

params! {
    /// A tensor of `[before][extent][after][block]`, or `[before][block]` where the dimension's values are the
    /// channels, as `shaders/shared/axis.wgsl` has it.
    pub struct Axis {
        /// Pixels by the dimensions before it; where its values are the channels, all pixels.
        before: u32,
        /// Values of the dimension.
        extent: u32,
        /// Pixels by the dimensions after it.
        after: u32,
        /// Channels of the tensor.
        channels: u32,
    }
}

impl Axis {
    /// Where the values of a tensor's dimension lie.
    pub fn of(layout: &Layout, dimension: usize) -> (Along, Self) {
        let channels = layout.channels();
        if dimension == layout.inner {
            let [before, channels] = words([layout.pixels(), channels]);
            let axis = Self {
                before,
                extent: channels,
                after: 1,
                channels,
            };
            return (Along::Channels, axis);
        }
        let extents = |counts: fn(&usize, &usize) -> bool| -> usize {
            let outer = layout.outer();
            let counted = outer.filter(|(other, _)| counts(other, &dimension));
            counted.map(|(_, extent)| extent).product()
        };
        let [before, extent, after, channels] = words([
            extents(usize::lt),
            layout.shape[dimension],
            extents(usize::gt),
            channels,
        ]);
        let axis = Self {
            before,
            extent,
            after,
            channels,
        };
        (Along::Pixels, axis)
    }

    /// What invocations go over, one each.
    fn lines(&self, along: Along) -> usize {
        let pixels = (self.before * self.after) as usize;
        match along {
            Along::Pixels => pixels * blocks(self.channels as usize),
            Along::Channels => pixels,
        }
    }

    /// An invocation for each line. Binds the tensor and the result.
    pub fn dispatch(&self, along: Along, kernel: &'static Kernel, dtypes: Dtypes) -> Dispatch {
        Dispatch::new(kernel.shader(dtypes), self, workgroups(self.lines(along)))
    }
}
