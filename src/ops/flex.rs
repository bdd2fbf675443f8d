//! Reading and making the CPU engine's tensors.

use std::ops::Range;

use burn::backend::{Flex, TensorMetadata, tensor::FloatTensor};
use burn::tensor::{Element, TensorData};

use super::levels::Levels;

/// A tensor of the CPU engine, of any element type.
pub(super) type FlexTensor = FloatTensor<Flex>;

/// Tensors of the CPU engine by their identity in a captured graph.
#[cfg(feature = "verify")]
pub type Handles = burn_ir::HandleContainer<<burn::backend::Flex as burn_ir::BackendIr>::Handle>;

/// A map `[1, C, H, W]` in memory.
#[derive(Clone, Copy, Debug)]
pub struct Map<'a> {
    /// Row-major values.
    pub values: &'a [f32],
    /// Channels, height, width.
    pub shape: [usize; 3],
}

impl Map<'_> {
    /// Cells of the map.
    pub fn cells(&self) -> usize {
        self.shape[1] * self.shape[2]
    }

    /// The value of `channel` at flat cell index `y · W + x`.
    pub fn at(&self, channel: usize, cell: usize) -> f32 {
        self.values[channel * self.cells() + cell]
    }
}

/// The tensor with its values in row-major order, as [`values`] needs it.
pub(super) fn contiguous(tensor: FlexTensor) -> FlexTensor {
    tensor.to_contiguous()
}

/// A contiguous tensor's values.
pub(super) fn values<E: Element + bytemuck::Pod>(tensor: &FlexTensor) -> &[E] {
    tensor.as_slice().expect("the tensor is contiguous")
}

/// A contiguous tensor `[1, C, H, W]` as a map.
pub(super) fn map(tensor: &FlexTensor) -> Map<'_> {
    let shape = tensor.shape();
    Map {
        values: values(tensor),
        shape: [shape[1], shape[2], shape[3]],
    }
}

/// The maps of levels, each with its values in row-major order.
pub(super) fn contiguous_levels(levels: Levels<Flex>) -> Vec<FlexTensor> {
    levels.0.into_iter().map(contiguous).collect()
}

/// The maps of levels that are contiguous tensors `[1, C, H, W]`.
pub(super) fn map_levels(levels: &[FlexTensor]) -> Vec<Map<'_>> {
    levels.iter().map(map).collect()
}

/// The maps of a contiguous tensor `[N, C, H, W]`.
pub(super) fn maps(tensor: &FlexTensor) -> Vec<Map<'_>> {
    let [_, channels, height, width] = tensor.shape().dims();
    let size = (channels * height * width).max(1);
    let pictures = values(tensor).chunks_exact(size);
    pictures
        .map(|values| Map {
            values,
            shape: [channels, height, width],
        })
        .collect()
}

/// Rows of four from a contiguous tensor `[N, 4]`.
pub(super) fn boxes(tensor: &FlexTensor) -> &[[f32; 4]] {
    bytemuck::cast_slice(values::<f32>(tensor))
}

/// The rows of each picture, where `count`, `[N]`, says how many it has.
pub(super) fn rows_of(count: &FlexTensor) -> impl Iterator<Item = Range<usize>> {
    let counts = values::<i32>(count).iter();
    counts.scan(0, |start, &count| {
        let rows = *start..*start + count as usize;
        *start = rows.end;
        Some(rows)
    })
}

/// A new tensor.
pub(super) fn tensor<E: Element>(
    values: Vec<E>,
    shape: impl Into<burn::tensor::Shape>,
) -> FlexTensor {
    FlexTensor::from_data(TensorData::new(values, shape))
}
