//! The sizes of one picture, as `shaders/shared/frame.wgsl` has them.

use super::params::params;

params! {
    /// Height before width.
    pub struct FrameUniform {
        /// As it came.
        original: [u32; 2],
        /// As the network sees it, without padding.
        resized: [u32; 2],
        /// From a pixel of the resized picture to one of the original: down, across.
        ratio: [f32; 2],
        /// What is added then.
        shift: [f32; 2],
    }
}

impl FrameUniform {
    /// Of a picture before and after it was resized.
    pub fn new(original: [usize; 2], resized: [usize; 2], ratio: [f32; 2]) -> Self {
        Self {
            original: super::words(original),
            resized: super::words(resized),
            ratio,
            shift: [0.0; 2],
        }
    }

    /// The same where the resized picture begins elsewhere than the original, by so many of its pixels, down
    /// and across.
    pub fn shifted(self, shift: [f32; 2]) -> Self {
        Self { shift, ..self }
    }

    /// The resized picture's height and width.
    #[cfg(feature = "verify")]
    pub(super) fn size(&self) -> [f32; 2] {
        self.resized.map(|side| side as f32)
    }
}
