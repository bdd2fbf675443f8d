//! The parts of HAT, the Hybrid Attention Transformer (Chen et al., 2023,
//! <https://arxiv.org/abs/2309.04239>), as its published code computes them at inference: attention within
//! windows, over windows that overlap, and over channels. Features are `[N, H, W, C]` between the parts; `N` is 1
//! where they are captured.

mod blocks;
mod channel_attention;
mod group;
mod merging;
mod overlap;
mod window;

use burn::tensor::Tensor;

use crate::ops::window_attention::{WindowAttentionOptions, Windows};

pub use blocks::{HybridBlock, Mlp};
pub use channel_attention::ChannelAttentionBlock;
pub use group::ResidualGroup;
pub use merging::PatchMerging;
pub use overlap::OverlappingBlock;
pub use window::WindowAttention;

/// What shapes HAT's parts.
///
/// HAT itself has 180 channels, windows of 16, 6 heads and 6 blocks a group.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct HatConfig {
    /// Channels of the features.
    pub channels: usize,
    /// Pixels along a window's side.
    pub window: usize,
    /// Heads of attention, which share the channels out.
    pub heads: usize,
    /// Hybrid blocks of a group.
    pub blocks: usize,
    /// Channels within the perceptrons, as a multiple of the features'.
    pub mlp_ratio: usize,
    /// What the channels are divided by between the convolutions of a channel attention block.
    pub compress: usize,
    /// What the channels are divided by within channel attention.
    pub squeeze: usize,
    /// What a channel attention block's part in a hybrid block is multiplied by.
    pub channel_scale: f64,
}

impl HatConfig {
    /// HAT's own ratios, with two blocks a group.
    pub fn new(channels: usize, window: usize, heads: usize) -> Self {
        Self {
            channels,
            window,
            heads,
            blocks: 2,
            mlp_ratio: 2,
            compress: 3,
            squeeze: 30,
            channel_scale: 0.01,
        }
    }

    /// Pixels along the side of a window of keys that overlaps its neighbours: half as many again.
    pub fn overlapping_window(&self) -> usize {
        self.window + self.window / 2
    }

    /// Whether parts of these sizes can be built.
    ///
    /// # Errors
    /// If the heads do not share the channels out evenly, a layer would have no channels, or windows that overlap
    /// would reach further on one side than on the other.
    pub fn check(&self) -> Result<(), HatError> {
        let channels = self.channels;
        let least = self.compress.max(self.squeeze);
        if self.compress == 0 || self.squeeze == 0 || channels < least {
            return Err(HatError::Channels { channels, least });
        }
        let overlapping = self.attention(Windows::Overlapping(self.overlapping_window()));
        overlapping
            .check(channels, [self.window; 2])
            .map_err(HatError::Attention)
    }

    fn attention(&self, windows: Windows) -> WindowAttentionOptions {
        WindowAttentionOptions {
            heads: self.heads,
            window: self.window,
            windows,
        }
    }
}

/// HAT's parts cannot be built so.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HatError {
    /// A layer between others would have no channels.
    #[error(
        "HAT has {channels} channels: expected {least} or more, which channel attention divides them by"
    )]
    Channels {
        /// Channels of the features.
        channels: usize,
        /// The least that leave each layer one.
        least: usize,
    },
    /// Its windows or heads do not fit.
    #[error("HAT's {0}")]
    Attention(String),
}

/// Features `[N, C, H, W]` as `[N, H, W, C]`.
fn rows(map: Tensor<4>) -> Tensor<4> {
    map.permute([0, 2, 3, 1])
}

/// Features `[N, H, W, C]` as `[N, C, H, W]`.
fn map(rows: Tensor<4>) -> Tensor<4> {
    rows.permute([0, 3, 1, 2])
}

/// A parameter's path in these modules as HAT's checkpoints spell it.
pub fn key(path: &str) -> String {
    // Sequentials, which count activations and pools too.
    const SEQUENTIALS: [(&str, &str); 4] = [
        ("conv_block.compress.", "conv_block.cab.0."),
        ("conv_block.restore.", "conv_block.cab.2."),
        ("conv_block.squeeze.", "conv_block.cab.3.attention.1."),
        ("conv_block.excite.", "conv_block.cab.3.attention.3."),
    ];
    let spelled = SEQUENTIALS.iter();
    spelled.fold(path.to_owned(), |path, (own, theirs)| {
        path.replace(own, theirs)
    })
}
