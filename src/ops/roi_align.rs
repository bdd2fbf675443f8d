//! RoIAlign over the levels of a pyramid (He et al., 2017, <https://arxiv.org/abs/1703.06870>;
//! level assignment: Lin et al., 2016), as torchvision's `MultiScaleRoIAlign`.
//!
//! One difference: torchvision infers each level's scale from the map's and the unpadded picture's
//! sizes, which goes wrong for tiny pictures; here P2…P5 are 1/4…1/32.

use burn::backend::tensor::{FloatTensor, IntTensor};
use burn::backend::{Backend, Capture, Dispatch, Flex, TensorMetadata, backend_extension};
use burn::tensor::{DType, Int, Shape, Tensor};
use burn_ir::ScalarIr;
use rayon::prelude::*;

use super::boxes::{BBox, area};
use super::capture::{record, size};
use super::flex::{self, Map};
use super::levels::Levels4;

/// How a RoI is laid over a map.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RoiAlignOptions {
    /// Cells of the output, height and width.
    pub output: [usize; 2],
    /// Samples along each side of a cell; 0: as many as the cell is pixels wide, rounded up.
    pub sampling_ratio: usize,
    /// Whether pixel centres sit at half coordinates (detectron2) or at whole ones (torchvision).
    pub aligned: bool,
    /// Side of the boxes that belong to P4, in pixels of the resized picture.
    pub canonical_size: f32,
}

impl RoiAlignOptions {
    /// torchvision's detectors: two samples a side, not aligned.
    pub fn torchvision(output: [usize; 2]) -> Self {
        Self {
            output,
            sampling_ratio: 2,
            aligned: false,
            canonical_size: 224.0,
        }
    }

    fn to_scalars(self) -> Vec<ScalarIr> {
        vec![
            ScalarIr::UInt(self.output[0] as u64),
            ScalarIr::UInt(self.output[1] as u64),
            ScalarIr::UInt(self.sampling_ratio as u64),
            ScalarIr::Bool(self.aligned),
            ScalarIr::Float(self.canonical_size.into()),
        ]
    }

    /// As a captured graph holds them.
    pub(crate) fn from_scalars(scalars: &[ScalarIr]) -> Self {
        Self {
            output: [size(scalars[0]), size(scalars[1])],
            sampling_ratio: size(scalars[2]),
            aligned: scalars[3].elem(),
            canonical_size: scalars[4].elem(),
        }
    }
}

/// Crop each RoI from the level that suits its size.
///
/// - `levels`: P2…P5, each `[1, C, H, W]`;
/// - `boxes`: `[R, 4]` in pixels of the resized picture; `count`: `[1]`, how many rows are meant;
/// - returns `[R, C, output…]`.
pub fn roi_align(
    levels: [Tensor<4>; 4],
    boxes: Tensor<2>,
    count: Tensor<1, Int>,
    options: RoiAlignOptions,
) -> Tensor<4> {
    Tensor::from_dispatch(<Dispatch as RoiAlignOps>::roi_align(
        levels.into(),
        boxes.into_dispatch(),
        count.into_dispatch(),
        options,
    ))
}

/// Backends that can run [`roi_align`].
#[backend_extension(Flex, Capture)]
pub trait RoiAlignOps: Backend {
    /// See [`roi_align`].
    fn roi_align(
        #[extension_type] levels: Levels4<Self>,
        boxes: FloatTensor<Self>,
        count: IntTensor<Self>,
        options: RoiAlignOptions,
    ) -> FloatTensor<Self>;
}

impl RoiAlignOps for Flex {
    fn roi_align(
        levels: Levels4<Self>,
        boxes: FloatTensor<Self>,
        _count: IntTensor<Self>, // an eager tensor has exactly as many rows
        options: RoiAlignOptions,
    ) -> FloatTensor<Self> {
        let levels = levels.into_array().map(flex::contiguous);
        let maps = levels.each_ref().map(flex::map);
        let boxes = flex::contiguous(boxes);
        let boxes = flex::boxes(&boxes);
        let [rows, columns] = options.output;
        let channels = maps[0].shape[0];
        flex::tensor(
            align_levels(&maps, boxes, options),
            [boxes.len(), channels, rows, columns],
        )
    }
}

impl RoiAlignOps for Capture {
    fn roi_align(
        levels: Levels4<Self>,
        boxes: FloatTensor<Self>,
        count: IntTensor<Self>,
        options: RoiAlignOptions,
    ) -> FloatTensor<Self> {
        let [p2, p3, p4, p5] = levels.into_array();
        let [rows, columns] = options.output;
        let shape = Shape::from([boxes.shape()[0], p2.shape()[1], rows, columns]);
        let inputs = vec![p2, p3, p4, p5, boxes, count];
        let outputs = [(shape, DType::F32)];
        let [rois] = record("fpn::roi_align", inputs, options.to_scalars(), outputs);
        rois
    }
}

/// The level, 0 for P2 … 3 for P5, that a box of this size is cropped from: P4 for the canonical
/// size (224, that of an ImageNet picture), a level up or down for each doubling.
pub fn level_of(bbox: BBox, canonical_size: f32) -> usize {
    let side = area(bbox).sqrt();
    let level = (4.0 + (side / canonical_size).log2() + 1e-6).floor();
    level.clamp(2.0, 5.0) as usize - 2
}

/// CPU twin of [`roi_align`]: `[R, C, rows, columns]`, row-major.
pub fn align_levels(maps: &[Map<'_>; 4], boxes: &[BBox], options: RoiAlignOptions) -> Vec<f32> {
    let size = maps[0].shape[0] * options.output[0] * options.output[1];
    let mut rois = vec![0.0; boxes.len() * size];
    rois.par_chunks_exact_mut(size.max(1))
        .zip(boxes)
        .for_each(|(out, &bbox)| {
            let level = level_of(bbox, options.canonical_size);
            align(&maps[level], bbox, 1.0 / (4 << level) as f32, options, out);
        });
    rois
}

/// RoIAlign of one box over one map whose cells are `1 / scale` pixels apart; `out` is
/// `[C, rows, columns]`.
pub fn align(map: &Map<'_>, bbox: BBox, scale: f32, options: RoiAlignOptions, out: &mut [f32]) {
    let offset = if options.aligned { 0.5 } else { 0.0 };
    let [x1, y1, x2, y2] = bbox.map(|side| side * scale - offset);
    let least = if options.aligned { 0.0 } else { 1.0 };
    let (width, height) = ((x2 - x1).max(least), (y2 - y1).max(least));
    let [rows, columns] = options.output;
    let (cell_h, cell_w) = (height / rows as f32, width / columns as f32);
    let samples = |cell: f32| match options.sampling_ratio {
        0 => cell.ceil() as usize,
        ratio => ratio,
    };
    let (samples_y, samples_x) = (samples(cell_h), samples(cell_w));
    let taken = (samples_y * samples_x).max(1) as f32;

    let [channels, map_h, map_w] = map.shape;
    let taps = |start: f32, cell: f32, count: usize, samples: usize, size: usize| -> Vec<Tap> {
        (0..count)
            .flat_map(|index| (0..samples).map(move |sample| (index, sample)))
            .map(|(index, sample)| {
                let within = (sample as f32 + 0.5) * cell / samples as f32;
                Tap::at(start + index as f32 * cell + within, size)
            })
            .collect()
    };
    let ys = taps(y1, cell_h, rows, samples_y, map_h);
    let xs = taps(x1, cell_w, columns, samples_x, map_w);

    for channel in 0..channels {
        let plane = &map.values[channel * map_h * map_w..][..map_h * map_w];
        for row in 0..rows {
            for column in 0..columns {
                let mut sum = 0.0;
                for y in &ys[row * samples_y..][..samples_y] {
                    for x in &xs[column * samples_x..][..samples_x] {
                        let (top, bottom) = (&plane[y.low * map_w..], &plane[y.high * map_w..]);
                        sum += y.far * x.far * top[x.low]
                            + y.far * x.near * top[x.high]
                            + y.near * x.far * bottom[x.low]
                            + y.near * x.near * bottom[x.high];
                    }
                }
                out[(channel * rows + row) * columns + column] = sum / taken;
            }
        }
    }
}

/// The two cells between which a sample falls along one axis, and their weights; both weights are
/// 0 where it falls more than a cell outside.
#[derive(Clone, Copy)]
struct Tap {
    low: usize,
    high: usize,
    /// Weight of `low`.
    far: f32,
    /// Weight of `high`.
    near: f32,
}

impl Tap {
    fn at(position: f32, size: usize) -> Self {
        // Written so that NaN counts as outside.
        if !(position >= -1.0 && position <= size as f32) {
            let (low, high, far, near) = (0, 0, 0.0, 0.0);
            return Self {
                low,
                high,
                far,
                near,
            };
        }
        let position = position.max(0.0);
        let low = (position as usize).min(size - 1);
        let high = (low + 1).min(size - 1);
        let near = if low == high {
            0.0
        } else {
            position - low as f32
        };
        Self {
            low,
            high,
            far: 1.0 - near,
            near,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_box_of_a_border_size_belongs_to_the_coarser_level() {
        let square = |side: f32| [10.0, 10.0, 10.0 + side, 10.0 + side];
        for (side, level) in [
            (0.0, 0),
            (111.9, 0),
            (112.0, 1),
            (224.0, 2),
            (448.0, 3),
            (5000.0, 3),
        ] {
            assert_eq!(level_of(square(side), 224.0), level, "{side}");
            assert_eq!(level_of(square(side / 2.0), 112.0), level, "{side}");
        }
    }
}
