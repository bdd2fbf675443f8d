//! The CPU engine: the module itself, run eagerly by Burn.

use burn::backend::Dispatch;
use burn::tensor::{Device, Int, Tensor};
use image::RgbaImage;

use crate::detector::{Computed, DetectError};
use crate::models::{Model, Output, Selection};
use crate::ops::candidates::{Candidate, Candidates};
use crate::transform::{Frame, Transform};

/// A model with its weights on the CPU.
#[derive(Debug)]
pub(crate) struct CpuEngine {
    model: Model,
    transform: Transform,
    selection: Selection,
    device: Device,
}

impl CpuEngine {
    pub fn new(model: Model, transform: Transform, selection: Selection) -> Self {
        Self {
            model,
            transform,
            selection,
            device: Device::flex(),
        }
    }

    /// Look at a picture; `frame` is the transform's for its size.
    ///
    /// # Errors
    /// If the pyramid holds NaN or infinities.
    pub fn compute(
        &self,
        picture: &RgbaImage,
        frame: &Frame,
        with_pyramid: bool,
    ) -> Result<Computed, DetectError> {
        let image = self.transform.apply(picture, frame, &self.device);
        let frame = frame.tensor(&self.device);
        let Output {
            detections,
            pyramid,
        } = self.model.forward(image, frame, self.selection);
        if !pyramid.iter().all(is_finite) {
            return Err(DetectError::NotFinite);
        }
        let levels = pyramid.into_iter().filter(|_| with_pyramid);
        Ok(Computed {
            detections: read(detections),
            pyramid: levels.map(values).collect(),
        })
    }
}

/// Whether a map holds neither NaN nor infinities: their sum would be neither finite.
fn is_finite(map: &Tensor<4>) -> bool {
    let sum: f32 = map.clone().abs().sum().into_scalar();
    sum.is_finite()
}

fn values(map: Tensor<4>) -> ([usize; 3], Vec<f32>) {
    let [_, channels, height, width] = map.dims();
    let values = map.into_data().try_to_vec().expect("a pyramid holds f32");
    ([channels, height, width], values)
}

/// The rows that are meant, in memory.
fn read(found: Candidates<Dispatch>) -> Vec<Candidate> {
    let ints = |tensor| -> Vec<i32> {
        let tensor = Tensor::<1, Int>::from_dispatch(tensor);
        tensor
            .into_data()
            .try_to_vec()
            .expect("the operation gives i32")
    };
    let scores = Tensor::<1>::from_dispatch(found.scores).into_data();
    let scores: Vec<f32> = scores.try_to_vec().expect("the operation gives f32");
    let rows = Tensor::<2>::from_dispatch(found.rows);
    let [_, width] = rows.dims();
    let rows: Vec<f32> = rows
        .into_data()
        .try_to_vec()
        .expect("the operation gives f32");
    let (labels, levels) = (ints(found.labels), ints(found.levels));
    let count = ints(found.count)[0] as usize;
    (0..count)
        .map(|index| {
            let row = &rows[index * width..][..width];
            Candidate {
                bbox: [row[0], row[1], row[2], row[3]],
                landmarks: row[4..].to_vec(),
                score: scores[index],
                label: labels[index],
                level: levels[index],
            }
        })
        .collect()
}
