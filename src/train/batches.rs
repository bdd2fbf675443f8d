//! Pictures on their way into a training: ordered, flipped, resized, put together, ahead of the step
//! that needs them.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, sync_channel};
use std::thread;

use burn::tensor::{Device, Tensor, TensorData};
use image::imageops::flip_horizontal_in_place;
use rand::seq::{IndexedRandom, SliceRandom};
use rand::{RngExt, SeedableRng};
use rand_pcg::Pcg64Mcg;

use super::crop::crop;
use super::options::TrainOptions;
use super::order::{Entry, Order};
use super::step::{Batch, Truth};
use crate::boxes::Edges;
use crate::data::{DataError, Example, ImageSet, Object};
use crate::models::{ModelConfig, Rules};
use crate::transform::{Frame, ResizeBounds, Transform, preprocess};

/// How batches are made of a data set.
#[derive(Clone, Debug)]
pub struct BatchOptions {
    /// Pictures in a batch.
    pub size: usize,
    /// What a batch's short sides are resized to, in pixels: one of these, by chance.
    pub short_sides: Vec<usize>,
    /// What long sides are resized to at most, in pixels.
    pub long_side: usize,
    /// How values are scaled and sides padded.
    pub transform: Transform,
    /// Whose order of pictures and edges of boxes.
    pub rules: Rules,
    /// Objects that are learnt from, a picture; none for all.
    pub most_objects: Option<usize>,
    /// What chance starts from.
    pub seed: u64,
}

impl BatchOptions {
    /// Those of a training.
    pub(super) fn of(options: &TrainOptions, config: &ModelConfig) -> Self {
        Self {
            size: options.batch,
            short_sides: options.short_sides.clone(),
            long_side: options.long_side,
            transform: config.transform(),
            rules: config.architecture.rules(),
            most_objects: options.most_objects,
            seed: options.seed,
        }
    }
}

/// How many batches are made ahead.
const AHEAD: usize = 2;

/// The batches of a training, in order, made by a thread of its own.
pub struct Batches {
    receiver: Receiver<Result<Loaded, DataError>>,
}

/// A batch in memory.
struct Loaded {
    values: Vec<f32>,
    frames: Vec<Frame>,
    truth: Vec<Vec<Truth>>,
}

impl Batches {
    /// The batches from step `first` on. Pictures without objects are left out; landscapes and portraits do not
    /// meet in a batch. By the first Faster R-CNN's rules a batch's pictures are of like proportions, each comes as
    /// it is and mirrored, and long ones are cut around their objects.
    ///
    /// # Errors
    /// If no picture has an object, or a batch would have no pictures, or these no size.
    pub fn start(
        set: Arc<dyn ImageSet>,
        options: BatchOptions,
        first: usize,
    ) -> Result<Self, DataError> {
        if options.size == 0 || options.short_sides.is_empty() {
            return Err(DataError(format!(
                "a batch of {} pictures with {} short sides to choose from: expected at least one of each",
                options.size,
                options.short_sides.len()
            )));
        }
        let order = Order::of(set.as_ref(), options.rules);
        if order.is_empty() {
            return Err(DataError(
                "there is no picture with an object to learn from".to_owned(),
            ));
        }
        let (sender, receiver) = sync_channel(AHEAD);
        thread::spawn(move || {
            let steps = order.steps_of_epoch(options.size);
            let mut batches = Vec::new();
            for step in first.. {
                if batches.is_empty() || step % steps == 0 {
                    let mut chance = chance(options.seed, (step / steps) as u64);
                    batches = order.batches(options.size, &mut chance);
                }
                let batch = load(set.as_ref(), &options, step, &batches[step % steps]);
                // Nobody listens any more: the training is over.
                if sender.send(batch).is_err() {
                    break;
                }
            }
        });
        Ok(Self { receiver })
    }

    /// The next batch, on `device`.
    ///
    /// # Errors
    /// If one of its pictures cannot be read.
    pub fn next(&self, device: &Device) -> Result<Batch, DataError> {
        let loaded = self.receiver.recv();
        let Loaded {
            values,
            frames,
            truth,
        } = loaded.expect("the thread makes batches for ever")?;
        let [height, width] = frames[0].padded;
        let shape = [frames.len(), 3, height, width];
        Ok(Batch {
            images: Tensor::from_data(TensorData::new(values, shape), device),
            frames,
            truth,
        })
    }
}

/// A stream of chance for one thing, whatever came before.
fn chance(seed: u64, of: u64) -> Pcg64Mcg {
    Pcg64Mcg::new((u128::from(seed) << 64) | u128::from(of) << 1 | 1)
}

fn load(
    set: &dyn ImageSet,
    options: &BatchOptions,
    step: usize,
    pictures: &[Entry],
) -> Result<Loaded, DataError> {
    let mut chance = Pcg64Mcg::seed_from_u64(options.seed ^ (step as u64).rotate_left(32));
    let min_size = options.short_sides.choose(&mut chance);
    let transform = Transform {
        resize: Some(ResizeBounds {
            min_size: *min_size.expect("there is at least one short side"),
            max_size: options.long_side,
        }),
        ..options.transform
    };
    let mut examples = Vec::new();
    for entry in pictures {
        let mut example = set.example(entry.index)?;
        example.objects.retain(|object| !object.crowd);
        if entry.is_mirrored.unwrap_or_else(|| chance.random()) {
            flip(&mut example);
        }
        if options.rules == Rules::Legacy {
            crop(&mut example, &mut chance);
        }
        if let Some(most) = options.most_objects {
            let (kept, _) = example.objects.partial_shuffle(&mut chance, most);
            example.objects = kept.to_vec();
        }
        examples.push(example);
    }
    let size_of = |example: &Example| {
        let (width, height) = example.picture.dimensions();
        [height, width].map(|side| side as usize)
    };
    let mut frames: Vec<Frame> = examples
        .iter()
        .map(|example| transform.frame(size_of(example)))
        .collect();
    let largest = [0, 1].map(|axis| frames.iter().map(|f| f.padded[axis]).max().unwrap_or(0));
    frames.iter_mut().for_each(|frame| frame.padded = largest);
    let pairs = || examples.iter().zip(&frames);
    Ok(Loaded {
        values: pairs()
            .flat_map(|(example, frame)| preprocess(&example.picture, &transform, frame))
            .collect(),
        truth: pairs()
            .map(|(example, frame)| truth_of(&example.objects, frame, options.rules.edges()))
            .collect(),
        frames,
    })
}

/// The picture mirrored, left to right.
fn flip(example: &mut Example) {
    let width = example.picture.width() as f32;
    flip_horizontal_in_place(&mut example.picture);
    for object in &mut example.objects {
        let [x1, y1, x2, y2] = object.bbox;
        object.bbox = [width - x2, y1, width - x1, y2];
    }
}

/// What is to be learnt, in pixels of the resized picture.
fn truth_of(objects: &[Object], frame: &Frame, edges: Edges) -> Vec<Truth> {
    let [down, across] = frame.ratio;
    let truth = |object: &Object| {
        let [x1, y1, x2, y2] = edges.of_exclusive(object.bbox);
        Truth {
            bbox: [x1 / across, y1 / down, x2 / across, y2 / down],
            label: object.label,
        }
    };
    objects.iter().map(truth).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flip_mirrors_pixels_and_boxes() {
        let mut picture = image::RgbaImage::new(10, 4);
        picture.put_pixel(1, 2, image::Rgba([255; 4]));
        let object = Object {
            bbox: [1.0, 2.0, 2.0, 3.0],
            label: 1,
            area: 1.0,
            crowd: false,
            difficult: false,
        };
        let mut example = Example {
            picture,
            objects: vec![object],
        };
        flip(&mut example);
        assert_eq!(example.objects[0].bbox, [8.0, 2.0, 9.0, 3.0]);
        assert_eq!(example.picture.get_pixel(8, 2).0, [255; 4]);
    }
}
