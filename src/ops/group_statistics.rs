//! What group normalization (Wu and He, 2018, <https://arxiv.org/abs/1803.08494>) has to know of a map, as PyTorch's
//! `nn.GroupNorm`: mean and deviation of each group of channels.

use burn::backend::tensor::FloatTensor;
use burn::backend::{
    Backend, Capture, Dispatch, ExtensionType, Flex, TensorMetadata, backend_extension,
};
use burn::tensor::{DType, Shape, Tensor};
#[cfg(feature = "verify")]
use burn_ir::CustomOpIr;
use burn_ir::ScalarIr;

use super::capture::{record, size};
use super::flex;
#[cfg(feature = "verify")]
use super::flex::Handles;
use super::operation::{Arguments, Operation, one_picture};
use crate::kernels::{Dtypes, group_statistics as kernel};
use crate::plan::{Draft, PlanBuilder, Value, ValueKind};

/// How a map is normalized.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct GroupOptions {
    /// How many groups its channels are in.
    pub groups: usize,
    /// What is added to a variance.
    pub epsilon: f64,
}

/// Of the map `[N, C, H, W]` the mean of each channel's group, and one over the root of its variance (that of
/// the population) and epsilon: `[N, C, 1, 1]` each. Captured, N is 1.
///
/// # Panics
/// If the channels are not in so many groups.
pub fn group_statistics(map: Tensor<4>, options: GroupOptions) -> [Tensor<4>; 2] {
    let [_, channels, ..] = map.dims();
    assert!(
        options.groups > 0 && channels.is_multiple_of(options.groups),
        "{channels} channels are not {} groups",
        options.groups
    );
    let found = <Dispatch as GroupStatisticsOps>::group_statistics(map.into_dispatch(), options);
    [found.means, found.scales].map(Tensor::from_dispatch)
}

/// Of each channel.
#[derive(ExtensionType)]
pub struct Statistics<B: Backend> {
    /// `[N, C, 1, 1]`.
    pub means: FloatTensor<B>,
    /// `[N, C, 1, 1]`, one over deviations.
    pub scales: FloatTensor<B>,
}

/// Backends that can run [`group_statistics()`].
#[backend_extension(Flex, Capture)]
pub trait GroupStatisticsOps: Backend {
    /// See [`group_statistics()`].
    fn group_statistics(map: FloatTensor<Self>, options: GroupOptions) -> Statistics<Self>;
}

impl GroupStatisticsOps for Flex {
    fn group_statistics(map: FloatTensor<Self>, options: GroupOptions) -> Statistics<Self> {
        let [items, channels, height, width] = map.shape().dims();
        let map = flex::contiguous(map);
        let of_group = channels / options.groups;
        let (mut means, mut scales) = (Vec::new(), Vec::new());
        for group in flex::values::<f32>(&map).chunks_exact((of_group * height * width).max(1)) {
            let number = group.len() as f64;
            // A map has many values: their sum takes more digits than theirs.
            let mean = group.iter().map(|value| f64::from(*value)).sum::<f64>() / number;
            let squares = group.iter().map(|value| (f64::from(*value) - mean).powi(2));
            let variance = squares.sum::<f64>() / number;
            let scale = 1.0 / (variance + options.epsilon).sqrt();
            means.extend(vec![mean as f32; of_group]);
            scales.extend(vec![scale as f32; of_group]);
        }
        let shape = [items, channels, 1, 1];
        Statistics {
            means: flex::tensor(means, shape),
            scales: flex::tensor(scales, shape),
        }
    }
}

impl GroupStatisticsOps for Capture {
    fn group_statistics(map: FloatTensor<Self>, options: GroupOptions) -> Statistics<Self> {
        let [items, channels, ..] = map.shape().dims::<4>();
        let scalars = vec![
            ScalarIr::UInt(options.groups as u64),
            ScalarIr::Float(options.epsilon),
        ];
        let output = (Shape::from([items, channels, 1, 1]), DType::F32);
        let outputs = [output.clone(), output];
        let [means, scales] = record(GroupStatistics.id(), vec![map], scalars, outputs);
        Statistics { means, scales }
    }
}

fn recorded(scalars: &[ScalarIr]) -> GroupOptions {
    GroupOptions {
        groups: size(scalars[0]),
        epsilon: scalars[1].elem(),
    }
}

/// [`group_statistics()`] in the compiler's hands.
pub(super) struct GroupStatistics;

impl Operation for GroupStatistics {
    fn id(&self) -> &'static str {
        "fpn::group_statistics"
    }

    fn signature(&self, _inputs: usize) -> (Vec<ValueKind>, Vec<ValueKind>) {
        (vec![ValueKind::Floats], vec![ValueKind::Floats; 2])
    }

    fn maps(&self, inputs: usize) -> usize {
        inputs
    }

    fn dtypes(&self) -> &'static [Dtypes] {
        kernel::KERNEL.dtypes
    }

    fn check(
        &self,
        scalars: &[ScalarIr],
        inputs: &[&Value],
        outputs: &[&Value],
    ) -> Result<(), String> {
        one_picture(inputs)?;
        let groups = recorded(scalars).groups;
        let channels = inputs[0].shape[1];
        if groups == 0 || !channels.is_multiple_of(4 * groups) {
            return Err(format!(
                "it has {channels} channels in {groups} groups, where multiples of four in each are expected"
            ));
        }
        match outputs
            .iter()
            .all(|output| *output.shape == [1, channels, 1, 1])
        {
            true => Ok(()),
            false => Err(format!("it makes other shapes than [1, {channels}, 1, 1]")),
        }
    }

    fn schedule(&self, arguments: Arguments<'_>, plan: &mut PlanBuilder<'_>) {
        let GroupOptions { groups, epsilon } = recorded(arguments.scalars);
        let (map, means, scales) = (
            arguments.inputs[0],
            arguments.outputs[0],
            arguments.outputs[1],
        );
        let [channels, height, width] = plan.map(map);
        let sizes = [height * width, channels];
        let dispatch = kernel::dispatch(sizes, groups, epsilon as f32, plan.dtypes(map, means));
        let operands = plan.operands([map, means, scales]);
        let values = (height * width * channels / groups) as u64;
        let draft = Draft::making("group statistics", dispatch, operands, means);
        plan.push(draft.waiting(2 * values.div_ceil(4 * 256)));
    }

    #[cfg(feature = "verify")]
    fn replay(&self, call: &CustomOpIr, tensors: &mut Handles) {
        let map = tensors.get_float_tensor::<Flex>(&call.inputs[0]);
        let options = recorded(&call.scalars);
        let found = <Flex as GroupStatisticsOps>::group_statistics(map, options);
        tensors.register_float_tensor::<Flex>(&call.outputs[0].id, found.means);
        tensors.register_float_tensor::<Flex>(&call.outputs[1].id, found.scales);
    }
}
