//! How a tensor lies in memory.

use super::blocks;

/// A tensor's shape, and which of its dimensions lies side by side in memory: in channel blocks of four, the
/// last filled up with zeros. The other dimensions, from the first to the last, count pixels.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Layout {
    /// As Burn has it.
    pub shape: Vec<usize>,
    /// The dimension whose values lie side by side: its values are channels.
    pub inner: usize,
}

impl Layout {
    /// The usual one: a map's channels lie side by side, of other tensors the last dimension.
    pub fn of(shape: Vec<usize>) -> Self {
        let inner = Self::usual_inner(shape.len());
        Self { shape, inner }
    }

    /// The dimension that usually lies side by side in a tensor of so many.
    pub fn usual_inner(dimensions: usize) -> usize {
        match dimensions {
            4 => 1,
            other => other.saturating_sub(1),
        }
    }

    /// Extent of the dimension that lies side by side.
    pub fn channels(&self) -> usize {
        self.shape.get(self.inner).copied().unwrap_or(1)
    }

    /// Channel blocks of a pixel.
    pub fn blocks(&self) -> usize {
        blocks(self.channels())
    }

    /// Extents of the other dimensions.
    pub fn outer(&self) -> impl DoubleEndedIterator<Item = (usize, usize)> {
        let extents = self.shape.iter().copied().enumerate();
        extents.filter(|(dimension, _)| *dimension != self.inner)
    }

    /// How often there are channels.
    pub fn pixels(&self) -> usize {
        self.outer().map(|(_, extent)| extent).product()
    }

    /// Channel blocks of the whole tensor.
    pub fn all_blocks(&self) -> usize {
        self.pixels() * self.blocks()
    }

    /// Values of the whole tensor.
    pub fn len(&self) -> usize {
        self.shape.iter().product()
    }

    /// Whether it has no values.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Where each value lies, in row-major order of the shape: index of a float in memory.
    pub fn places(&self) -> impl Iterator<Item = usize> {
        let inside: usize = self.shape[(self.inner + 1).min(self.shape.len())..]
            .iter()
            .product();
        let (channels, pitch) = (self.channels(), 4 * self.blocks());
        (0..self.len()).map(move |index| {
            let (before, after) = (index / (channels * inside), index % inside);
            let channel = index / inside % channels;
            (before * inside + after) * pitch + channel
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_maps_channels_lie_side_by_side() {
        let layout = Layout::of(vec![1, 2, 1, 3]);
        assert_eq!(layout.places().collect::<Vec<_>>(), [0, 4, 8, 1, 5, 9]);
        assert_eq!([layout.pixels(), layout.blocks()], [3, 1]);
    }

    #[test]
    fn a_scalar_is_one_channel() {
        let layout = Layout::of(Vec::new());
        assert_eq!(layout.places().collect::<Vec<_>>(), [0]);
        assert_eq!(layout.all_blocks(), 1);
    }

    #[test]
    fn rows_lie_one_behind_the_other() {
        let layout = Layout::of(vec![2, 3]);
        assert_eq!(layout.places().collect::<Vec<_>>(), [0, 1, 2, 4, 5, 6]);
    }
}
