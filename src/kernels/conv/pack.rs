//! A layer's parameters in the order that kernels read them.

use serde::Serialize;

use super::shuffle::Columns;
use super::winograd;

/// How a layer's multipliers lie in memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub enum WeightLayout {
    /// Filters `[out, in, ky, kx]` as `[ky][kx][in][out]`, channels rounded up to fours.
    Dense,
    /// The same of channels in groups, where the inputs are those of a group.
    Grouped {
        /// How many groups.
        groups: usize,
        /// How many that follow each other are one to the kernel: to each other's channels they are zeros.
        merged: usize,
    },
    /// Filters `[out, in, 3, 3]`, transformed for Winograd's F(4×4, 3×3), as `[36][in][out]`.
    Winograd,
    /// Filters `[in, out, ky, kx]` of a transposed convolution of this stride, as those of a dense one that makes
    /// a stride's cells as channels.
    Transposed([usize; 2]),
    /// Filters `[channel, 1, ky, kx]` as `[ky][kx][channel]`.
    Depthwise,
    /// A matrix `[out, in]` as `[in][out]`; where its rows are flattened maps `[C, H, W]`, the inputs
    /// are put into the order of a map in memory.
    Linear(Option<[usize; 3]>),
}

/// A batch norm as one multiplication and one addition a channel.
pub struct Fold {
    scale: Vec<f32>,
    shift: Vec<f32>,
}

impl Fold {
    /// Of its parameters, a value a channel each, and its `eps`.
    pub fn new([gamma, beta, mean, variance]: [&[f32]; 4], eps: f64) -> Self {
        let pairs = gamma.iter().zip(variance);
        let scale: Vec<f32> = pairs
            .map(|(gamma, variance)| {
                (f64::from(*gamma) / (f64::from(*variance) + eps).sqrt()) as f32
            })
            .collect();
        let shift = beta
            .iter()
            .zip(mean.iter().zip(&scale))
            .map(|(beta, (mean, scale))| beta - mean * scale)
            .collect();
        Self { scale, shift }
    }
}

/// A bias with the batch norm after it, in the order that PixelShuffle's factor asks for (1 for none), rounded
/// up to fours with zeros.
pub fn packed_bias(bias: &[f32], fold: Option<&Fold>, shuffle: usize) -> Vec<f32> {
    let columns = Columns::new(bias.len(), shuffle);
    let mut packed = vec![0.0; columns.count()];
    for (channel, value) in bias.iter().enumerate() {
        packed[columns.of(channel)] = match fold {
            Some(fold) => value * fold.scale[channel] + fold.shift[channel],
            None => *value,
        };
    }
    packed
}

/// Multipliers that are put in order, some whole outputs at a time. A matrix is filters of 1 × 1, or,
/// where its inputs are flattened maps, of a map's size.
pub struct Packing {
    layout: WeightLayout,
    /// Values of one output's filters.
    filter: usize,
    /// Where outputs lie.
    columns: Columns,
    /// Inputs, rounded up to fours; 1 where every channel has a filter of its own.
    rows: usize,
    /// Values of a filter for one input.
    taps: usize,
    /// Outputs of a group, and how many groups share their inputs' rows.
    group: [usize; 2],
    packed: Vec<f32>,
}

impl Packing {
    /// Of weights of some shape in PyTorch's layout, before a PixelShuffle of some factor; 1 for none.
    pub fn new(layout: WeightLayout, shape: &[usize], shuffle: usize) -> Self {
        let (rows, taps) = match layout {
            // Its filters come as a dense one's.
            WeightLayout::Dense | WeightLayout::Transposed(_) => {
                (shape[1].next_multiple_of(4), shape[2] * shape[3])
            }
            WeightLayout::Grouped { merged, .. } => {
                ((shape[1] * merged).next_multiple_of(4), shape[2] * shape[3])
            }
            WeightLayout::Winograd => (shape[1].next_multiple_of(4), winograd::FREQUENCIES),
            WeightLayout::Depthwise => (1, shape[2] * shape[3]),
            WeightLayout::Linear(None) => (shape[1].next_multiple_of(4), 1),
            WeightLayout::Linear(Some([channels, height, width])) => {
                (channels.next_multiple_of(4), height * width)
            }
        };
        let columns = Columns::new(shape[0], shuffle);
        let group = match layout {
            WeightLayout::Grouped { groups, merged } => [shape[0] / groups, merged],
            _ => [shape[0], 1],
        };
        Self {
            layout,
            filter: shape[1..].iter().product(),
            columns,
            rows,
            taps,
            group,
            packed: vec![0.0; taps * rows * columns.count()],
        }
    }

    /// The filters of some outputs from `first` on, `[out, in, ky, kx]`, the batch norm after them
    /// folded in.
    pub fn add(&mut self, first: usize, mut values: Vec<f32>, fold: Option<&Fold>) {
        let filters = values.chunks_exact_mut(self.filter.max(1));
        for (filter, output) in filters.zip(first..) {
            if let Some(fold) = fold {
                let scale = fold.scale[output];
                filter.iter_mut().for_each(|value| *value *= scale);
            }
            match self.layout {
                WeightLayout::Winograd => self.put(&winograd::transformed(filter), output),
                _ => self.put(filter, output),
            }
        }
    }

    /// Put the filter of one output, `[in, ky, kx]`, where it belongs.
    fn put(&mut self, filter: &[f32], output: usize) {
        let [outputs, merged] = self.group;
        let first = output / outputs % merged * (filter.len() / self.taps);
        let (column, columns) = (self.columns.of(output), self.columns.count());
        for (input, values) in (first..).zip(filter.chunks_exact(self.taps)) {
            for (tap, value) in values.iter().enumerate() {
                self.packed[(tap * self.rows + input) * columns + column] = *value;
            }
        }
    }

    /// All of them, in order.
    pub fn finish(self) -> Vec<f32> {
        self.packed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flattened_maps_inputs_follow_memory() {
        // Two channels of 1 × 2 cells; one output.
        let mut packing = Packing::new(WeightLayout::Linear(Some([2, 1, 2])), &[1, 4], 1);
        packing.add(0, vec![1.0, 2.0, 3.0, 4.0], None);
        let packed = packing.finish();
        let first_output: Vec<f32> = packed.chunks_exact(4).map(|row| row[0]).collect();
        assert_eq!(first_output, [1.0, 3.0, 0.0, 0.0, 2.0, 4.0, 0.0, 0.0]);
    }

    #[test]
    fn groups_that_are_merged_are_zeros_to_each_other() {
        // Four groups of one input and one output, two of them one to the kernel.
        let layout = WeightLayout::Grouped {
            groups: 4,
            merged: 2,
        };
        let mut packing = Packing::new(layout, &[4, 1, 1, 1], 1);
        packing.add(0, vec![1.0, 2.0, 3.0, 4.0], None);
        let packed = packing.finish();
        let rows: Vec<&[f32]> = packed.chunks_exact(4).collect();
        let zeros = [0.0; 4];
        let expected = [&[1.0, 0.0, 3.0, 0.0], &[0.0, 2.0, 0.0, 4.0], &zeros, &zeros];
        assert_eq!(rows, expected);
    }

    #[test]
    fn a_shuffles_outputs_are_put_in_order_with_their_bias() {
        // One channel of 2 × 2 cells, each with a scale and a shift of its own.
        let fold = Fold::new(
            [
                &[1.0, 2.0, 3.0, 4.0],
                &[0.0, 1.0, 2.0, 3.0],
                &[0.0; 4],
                &[1.0; 4],
            ],
            0.0,
        );
        let mut packing = Packing::new(WeightLayout::Dense, &[4, 1, 1, 1], 2);
        packing.add(0, vec![1.0; 4], Some(&fold));
        let packed = packing.finish();
        let zeros = [0.0; 3];
        for (cell, columns) in packed[..16].chunks_exact(4).enumerate() {
            assert_eq!(columns[0], 1.0 + cell as f32);
            assert_eq!(columns[1..], zeros);
        }
        let bias = packed_bias(&[1.0; 4], Some(&fold), 2);
        let first_of_cells: Vec<f32> = bias.chunks_exact(4).map(|cell| cell[0]).collect();
        assert_eq!(first_of_cells, [1.0, 3.0, 5.0, 7.0]);
    }

    #[test]
    fn a_batch_norm_is_folded_into_weight_and_bias() {
        // 3 · (2 x − 7) / √4 + 5 = 3 x − 5.5
        let fold = Fold::new([&[3.0], &[5.0], &[7.0], &[4.0]], 0.0);
        let mut packing = Packing::new(WeightLayout::Dense, &[1, 1, 1, 1], 1);
        packing.add(0, vec![2.0], Some(&fold));
        assert_eq!(packing.finish()[0], 3.0);
        assert_eq!(packed_bias(&[0.0], Some(&fold), 1), [-5.5, 0.0, 0.0, 0.0]);
    }
}
