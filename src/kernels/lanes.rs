//! CPU reference of `shaders/shared/lanes.wgsl`.

use std::array::from_fn;

/// Which lanes of a pixel's block hold channels: the others only fill it up.
pub(super) fn are_channels(block: usize, channels: usize) -> [bool; 4] {
    from_fn(|lane| 4 * block + lane < channels)
}
