//! burn-wgpu's RoIAlign, for training: a small part of a step, so that it is the CPU engine's, with the
//! pyramid fetched from the GPU and the RoIs sent back.

use burn::backend::ops::{FloatTensorOps, IntTensorOps};
use burn::backend::tensor::{FloatTensor, IntTensor};
use burn::backend::{Cube, Flex, TensorMetadata};

use super::{RoiAlignOps, RoiAlignOptions};
use crate::ops::flex::FlexTensor;
use crate::ops::levels::Levels;

fn fetched(tensor: FloatTensor<Cube>) -> FlexTensor {
    let data = pollster::block_on(Cube::float_into_data(tensor));
    FlexTensor::from_data(data.expect("what was computed can be read"))
}

fn fetched_int(tensor: IntTensor<Cube>) -> FlexTensor {
    let data = pollster::block_on(Cube::int_into_data(tensor));
    FlexTensor::from_data(data.expect("what was computed can be read"))
}

impl RoiAlignOps for Cube {
    fn roi_align(
        levels: Levels<Self>,
        boxes: FloatTensor<Self>,
        count: IntTensor<Self>,
        options: RoiAlignOptions,
    ) -> FloatTensor<Self> {
        let device = boxes.device();
        let levels = Levels(levels.0.into_iter().map(fetched).collect());
        let rois = Flex::roi_align(levels, fetched(boxes), fetched_int(count), options);
        Self::float_from_data(rois.into_data(), &device)
    }

    fn roi_align_backward(
        gradient: FloatTensor<Self>,
        boxes: FloatTensor<Self>,
        count: IntTensor<Self>,
        shapes: Vec<[usize; 4]>,
        options: RoiAlignOptions,
    ) -> Levels<Self> {
        let device = gradient.device();
        let levels = Flex::roi_align_backward(
            fetched(gradient),
            fetched(boxes),
            fetched_int(count),
            shapes,
            options,
        );
        let sent = |level: FlexTensor| Self::float_from_data(level.into_data(), &device);
        Levels(levels.0.into_iter().map(sent).collect())
    }
}
