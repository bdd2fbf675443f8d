//! CPU reference of `shaders/shared/axis.wgsl`.

use super::{Along, Axis};
use crate::kernels::blocks;
use crate::kernels::kernel::sizes;
use crate::kernels::lanes::are_channels;

/// What an invocation goes over: blocks, the values of four channels each or four values of one pixel.
pub(in crate::kernels) struct Line {
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

impl Axis {
    /// The lines of all invocations.
    pub fn all_lines(&self, along: Along) -> impl Iterator<Item = Line> {
        let [extent, after, channels] = sizes([self.extent, self.after, self.channels]);
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
