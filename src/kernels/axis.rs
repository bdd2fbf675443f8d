//! A tensor seen along one of its dimensions: what kernels are told that go over that dimension's values.

use super::kernel::workgroups;
#[cfg(feature = "verify")]
use super::lanes::are_channels;
use super::params::params;
use super::{Def, Dispatch, Kernel, Layout, blocks, words};

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
    pub fn dispatch(
        &self,
        along: Along,
        kernel: &'static Kernel,
        dtypes: super::Dtypes,
    ) -> Dispatch {
        Dispatch::new(kernel.shader(dtypes), self, workgroups(self.lines(along)))
    }
}

/// What an invocation goes over: blocks, the values of four channels each or four values of one pixel.
#[cfg(feature = "verify")]
pub(super) struct Line {
    /// Index of the first block in memory, and from one to the next.
    first: usize,
    step: usize,
    /// How many.
    pub count: usize,
    /// The first one's among its pixel's.
    block: usize,
    along: Along,
    channels: usize,
}

#[cfg(feature = "verify")]
impl Axis {
    /// The lines of all invocations.
    pub fn all_lines(&self, along: Along) -> impl Iterator<Item = Line> {
        let [extent, after, channels] =
            super::kernel::sizes([self.extent, self.after, self.channels]);
        let blocks = blocks(channels);
        (0..self.lines(along)).map(move |index| match along {
            Along::Channels => Line {
                first: index * blocks,
                step: 1,
                count: blocks,
                block: 0,
                along,
                channels,
            },
            Along::Pixels => {
                let (pixel, block) = (index / blocks, index % blocks);
                let first = pixel / after * extent * after + pixel % after;
                Line {
                    first: first * blocks + block,
                    step: after * blocks,
                    count: extent,
                    block,
                    along,
                    channels,
                }
            }
        })
    }
}

#[cfg(feature = "verify")]
impl Line {
    /// Index of one of its blocks in memory.
    pub fn place(&self, at: usize) -> usize {
        self.first + at * self.step
    }

    /// Which of a block's lanes hold values.
    pub fn are_values(&self, at: usize) -> [bool; 4] {
        match self.along {
            Along::Pixels => are_channels(self.block, self.channels),
            Along::Channels => are_channels(at, self.channels),
        }
    }
}

/// Tensors that matter, each with a dimension whose values lie so.
#[cfg(feature = "verify")]
pub(super) fn layouts(along: Along) -> Vec<(Layout, usize)> {
    // Shape, the dimension that lies side by side, the one that is meant.
    let tensors: [(&[usize], usize, usize); 20] = [
        (&[1], 0, 0),
        (&[7], 0, 0),
        (&[3, 5], 0, 0),
        (&[3, 5], 1, 1),
        (&[8, 2], 1, 1),
        (&[2, 3, 9], 2, 2),
        (&[1, 6, 5, 3], 1, 1),
        (&[2, 3, 2, 5, 3], 3, 3),
        (&[1, 33, 2, 1, 6], 1, 1),
        (&[1, 1, 1, 1], 1, 3),
        (&[3, 5], 0, 1),
        (&[3, 5], 1, 0),
        (&[8, 2], 0, 1),
        (&[2, 3, 9], 1, 2),
        (&[2, 3, 9], 2, 0),
        (&[1, 6, 5, 3], 1, 2),
        (&[1, 6, 5, 3], 1, 3),
        (&[2, 16, 1, 7], 3, 1),
        (&[2, 3, 2, 5, 3], 1, 4),
        (&[1, 33, 2, 1, 6], 4, 1),
    ];
    let cases = tensors.into_iter().map(|(shape, inner, dimension)| {
        let shape = shape.to_vec();
        (Layout { shape, inner }, dimension)
    });
    let mut cases: Vec<(Layout, usize)> = cases.collect();
    cases.retain(|(layout, dimension)| Axis::of(layout, *dimension).0 == along);
    cases
}
