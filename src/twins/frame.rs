//! Twin of `shaders/shared/frame.wgsl`.

use super::{float, words};

/// Sizes of one picture, height before width.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Frame {
    /// As it came.
    pub original: [usize; 2],
    /// As the network sees it, without padding.
    pub resized: [usize; 2],
    /// From a pixel of the resized picture to one of the original: down, across.
    pub ratio: [f32; 2],
}

impl Frame {
    /// The sizes in a uniform buffer.
    ///
    /// # Panics
    /// If there are not eight words.
    pub fn from_words(frame: &[u32]) -> Self {
        let [oh, ow, rh, rw, down, across, _, _] = words(frame);
        Self {
            original: [oh, ow],
            resized: [rh, rw],
            ratio: [float(down), float(across)],
        }
    }

    /// The resized picture's height and width.
    pub(super) fn size(&self) -> [f32; 2] {
        self.resized.map(|side| side as f32)
    }
}
