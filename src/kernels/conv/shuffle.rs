//! The order of a convolution's outputs where PixelShuffle follows it: cell by cell of the square that a pixel
//! becomes, so that four outputs that are stored together go to one place.

use crate::kernels::blocks;

/// Where outputs lie in what a layer's parameters are packed to.
#[derive(Clone, Copy, Debug)]
pub(super) struct Columns {
    /// Cells of a square.
    cells: usize,
    /// Columns of a cell: its channels, rounded up to fours.
    pitch: usize,
}

impl Columns {
    /// Those of so many outputs before a PixelShuffle of this factor; 1 for none.
    pub fn new(outputs: usize, factor: usize) -> Self {
        let cells = factor * factor;
        Self {
            cells,
            pitch: 4 * blocks(outputs / cells),
        }
    }

    /// How many there are.
    pub fn count(self) -> usize {
        self.cells * self.pitch
    }

    /// That of an output; PyTorch has all cells of a channel side by side.
    pub fn of(self, output: usize) -> usize {
        output % self.cells * self.pitch + output / self.cells
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_follow_each_other_in_whole_blocks() {
        // Five channels of 2 × 2 cells.
        let columns = Columns::new(20, 2);
        assert_eq!(columns.count(), 32);
        let all: Vec<usize> = (0..20).map(|output| columns.of(output)).collect();
        assert_eq!(all[..5], [0, 8, 16, 24, 1]);
        assert_eq!(all[19], 28);
    }

    #[test]
    fn without_a_shuffle_outputs_stay_where_they_are() {
        let columns = Columns::new(6, 1);
        assert_eq!(columns.count(), 8);
        assert!((0..6).all(|output| columns.of(output) == output));
    }
}
