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

use super::step::{Batch, Truth};
use crate::data::{DataError, Example, ImageSet, Object};
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
    /// What chance starts from.
    pub seed: u64,
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
    /// The batches from step `first` on. Pictures without objects are left out; landscapes and
    /// portraits do not meet in a batch.
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
        let groups = groups(set.as_ref());
        if groups.iter().all(Vec::is_empty) {
            return Err(DataError(
                "there is no picture with an object to learn from".to_owned(),
            ));
        }
        let (sender, receiver) = sync_channel(AHEAD);
        thread::spawn(move || {
            let steps = steps_of_epoch(&groups, options.size);
            let mut order = Vec::new();
            for step in first.. {
                let epoch = step / steps;
                if order.is_empty() || step % steps == 0 {
                    order = order_of(&groups, options.size, options.seed, epoch);
                }
                let batch = load(set.as_ref(), &options, step, &order[step % steps]);
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

/// Pictures with objects: those at least as wide as high, and the others.
fn groups(set: &dyn ImageSet) -> [Vec<usize>; 2] {
    let mut groups = [Vec::new(), Vec::new()];
    for index in (0..set.len()).filter(|&index| set.has_objects(index)) {
        let [height, width] = set.size(index);
        groups[usize::from(height > width)].push(index);
    }
    groups
}

fn steps_of_epoch(groups: &[Vec<usize>; 2], size: usize) -> usize {
    groups.iter().map(|group| group.len().div_ceil(size)).sum()
}

/// The pictures of each batch of an epoch. A group's last batch is filled up with its first pictures.
fn order_of(groups: &[Vec<usize>; 2], size: usize, seed: u64, epoch: usize) -> Vec<Vec<usize>> {
    let mut chance = chance(seed, epoch as u64);
    let mut batches = Vec::new();
    for group in groups {
        let mut group = group.clone();
        group.shuffle(&mut chance);
        let whole = group.len().next_multiple_of(size);
        let filled: Vec<usize> = group.iter().copied().cycle().take(whole).collect();
        batches.extend(filled.chunks(size).map(<[usize]>::to_vec));
    }
    batches.shuffle(&mut chance);
    batches
}

/// A stream of chance for one thing, whatever came before.
fn chance(seed: u64, of: u64) -> Pcg64Mcg {
    Pcg64Mcg::new((u128::from(seed) << 64) | u128::from(of) << 1 | 1)
}

fn load(
    set: &dyn ImageSet,
    options: &BatchOptions,
    step: usize,
    pictures: &[usize],
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
    for &index in pictures {
        let mut example = set.example(index)?;
        if chance.random() {
            flip(&mut example);
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
            .map(|(example, frame)| truth_of(&example.objects, frame))
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
fn truth_of(objects: &[Object], frame: &Frame) -> Vec<Truth> {
    let [down, across] = frame.ratio;
    objects
        .iter()
        .filter(|object| !object.crowd)
        .map(|object| {
            let [x1, y1, x2, y2] = object.bbox;
            Truth {
                bbox: [x1 / across, y1 / down, x2 / across, y2 / down],
                label: object.label,
            }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_epoch_has_every_picture_and_no_mixed_batch() {
        let groups = [(0..7).collect::<Vec<_>>(), vec![7, 8]];
        for epoch in 0..3 {
            let batches = order_of(&groups, 4, 1, epoch);
            assert_eq!(batches.len(), steps_of_epoch(&groups, 4));
            assert!(batches.iter().all(|batch| batch.len() == 4));
            let mut seen: Vec<usize> = batches.concat();
            assert!(
                batches
                    .iter()
                    .all(|b| b.iter().all(|&i| (i < 7) == (b[0] < 7)))
            );
            seen.sort_unstable();
            seen.dedup();
            assert_eq!(seen, (0..9).collect::<Vec<_>>());
        }
        assert_ne!(order_of(&groups, 4, 1, 0), order_of(&groups, 4, 1, 1));
        assert_eq!(order_of(&groups, 4, 1, 2), order_of(&groups, 4, 1, 2));
    }

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
