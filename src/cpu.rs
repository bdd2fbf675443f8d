//! The CPU engine: the module itself, run eagerly by Burn.

use burn::backend::Dispatch;
use burn::tensor::{Device, Int, Tensor, TensorData};
use image::RgbaImage;
use rayon::prelude::*;

use crate::error::DetectError;
use crate::models::{Checked, Model, Outputs, Request};
use crate::ops::candidates::{Candidate, Candidates};
use crate::ops::proposals::Proposals;
use crate::results::{Computed, HostMap, HostTensor, Proposal, Reading};
use crate::transform::{Frame, Transform};

/// A model with its weights on the CPU.
#[derive(Debug)]
pub(crate) struct CpuEngine {
    model: Model,
    transform: Transform,
    request: Request,
    device: Device,
}

impl CpuEngine {
    pub fn new(model: Model, transform: Transform, request: Request) -> Self {
        Self {
            model,
            transform,
            request,
            device: Device::flex(),
        }
    }

    /// What the model is asked for.
    pub fn request(&self) -> &Request {
        &self.request
    }

    /// See [`Request::set_nms_threshold`].
    pub fn set_nms_threshold(&mut self, threshold: f32) {
        self.request.set_nms_threshold(threshold);
    }

    /// Look at a picture; `frame` is the transform's for its size.
    ///
    /// # Errors
    /// If a map, or what detections are made of, holds NaN or infinities.
    pub fn compute(
        &self,
        picture: &RgbaImage,
        frame: &Frame,
        reading: &Reading,
    ) -> Result<Computed, DetectError> {
        let image = self.transform.apply(picture, frame, &self.device);
        let frame = frame.tensor(&self.device);
        let outputs = self.model.forward(image, frame, &self.request);
        let Outputs {
            maps,
            proposals,
            detections,
            instances,
            rows,
            checked,
            ..
        } = outputs;
        if !checked.into_iter().all(is_finite) {
            return Err(DetectError::NotFinite);
        }
        let detections = detections.map_or_else(Vec::new, candidates);
        let instances = instances.map(|(kind, rows)| (kind, tensor(rows)));
        let maps = maps.into_iter();
        let maps = maps.filter(|(info, _)| reading.has_map(info.kind));
        let maps = maps.map(|(info, map)| {
            let [_, channels, height, width] = map.dims();
            HostMap {
                info,
                shape: [channels, height, width],
                values: floats(map.into_data()),
            }
        });
        let proposals = proposals.filter(|_| reading.has_tensors());
        let rows = rows.into_iter().filter(|_| reading.has_tensors());
        let rows = rows.map(|(name, rows)| (name.to_owned(), tensor(rows)));
        Ok(Computed {
            detections,
            instances,
            maps: maps.collect(),
            proposals: proposals.map_or_else(Vec::new, boxes),
            tensors: rows.collect(),
            parts: Vec::new(),
        })
    }
}

fn is_finite(checked: Checked) -> bool {
    let data = match checked {
        Checked::Map(map) => map.into_data(),
        Checked::Rows(rows) => rows.into_data(),
    };
    // Not their sum, which may overflow.
    floats(data).par_iter().all(|value| value.is_finite())
}

fn tensor(rows: Tensor<2>) -> HostTensor {
    HostTensor {
        shape: rows.dims().to_vec(),
        values: floats(rows.into_data()),
    }
}

fn floats(data: TensorData) -> Vec<f32> {
    data.try_to_vec().expect("models compute with f32")
}

fn integers(tensor: Tensor<1, Int>) -> Vec<i32> {
    let data = tensor.into_data();
    data.try_to_vec().expect("the operations give i32")
}

fn boxes(proposals: Proposals) -> Vec<Proposal> {
    let boxes = floats(proposals.boxes.into_data());
    let levels = integers(proposals.levels);
    let boxes = boxes.as_chunks().0.iter();
    boxes
        .zip(levels)
        .map(|(bbox, level)| Proposal {
            bbox: *bbox,
            level: level as usize,
        })
        .collect()
}

/// The rows that are meant, in memory.
fn candidates(found: Candidates<Dispatch>) -> Vec<Candidate> {
    let scores = floats(Tensor::<1>::from_dispatch(found.scores).into_data());
    let rows = Tensor::<2>::from_dispatch(found.rows);
    let [_, width] = rows.dims();
    let rows = floats(rows.into_data());
    let [labels, levels, count] = [found.labels, found.levels, found.count]
        .map(|tensor| integers(Tensor::from_dispatch(tensor)));
    (0..count[0] as usize)
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
