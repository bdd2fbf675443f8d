//! Detectors of other levels, strides and anchors than those of the models that are there: their plans find
//! what Burn finds.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;

use burn::module::Module;
use burn::nn::conv::{Conv2d, Conv2dConfig};
use burn::nn::{Linear, LinearConfig};
use burn::tensor::activation::sigmoid;
use burn::tensor::{Device, Int, Tensor, TensorData};
use fpn_wgpu::boxes::Edges;
use fpn_wgpu::compile::{CapturedModel, GraphOutput, record};
use fpn_wgpu::kernels::FrameUniform;
use fpn_wgpu::models::{Outputs, Request, parameters};
use fpn_wgpu::ops::anchor_decode::{AnchorDecodeOptions, OneStageMaps, decode_anchors};
use fpn_wgpu::ops::anchors::{AnchorGrid, AnchorLayout, AnchorLevel, AnchorRule};
use fpn_wgpu::ops::proposals::{ProposalOptions, RpnMaps, select_proposals};
use fpn_wgpu::ops::roi_align::{RoiAlignOptions, roi_align};
use fpn_wgpu::ops::roi_decode::{RoiDecodeOptions, decode_rois};
use fpn_wgpu::ops::roi_pool::{RoiPoolOptions, roi_pool};
use fpn_wgpu::ops::select::{SelectOptions, select_detections};
use fpn_wgpu::plan::{Binding, Plan};
use fpn_wgpu::verify::{Interpreter, replay};
use fpn_wgpu::weights::StoredTensor;

use crate::seeded::number;
use crate::support::compiled;

/// Height and width of the picture, of which no coarse level's stride is a divisor.
pub const SIZE: [usize; 2] = [72, 88];

/// From a pixel of the network's input to one of the original picture: down, across.
const RATIO: [f32; 2] = [0.75, 1.5];

/// Where it begins in the original.
const SHIFT: [f32; 2] = [3.0, -2.5];

const CHANNELS: usize = 6;

/// What a map's cells say, level by level, from convolutions as wide as the level's stride.
#[derive(Module, Debug)]
pub struct Levels {
    convs: Vec<Conv2d>,
}

impl Levels {
    pub fn new(strides: &[usize], channels: impl Fn(usize) -> usize, device: &Device) -> Self {
        let conv = |(level, &stride): (usize, &usize)| {
            Conv2dConfig::new([3, channels(level)], [stride; 2])
                .with_stride([stride; 2])
                .init(device)
        };
        Self {
            convs: strides.iter().enumerate().map(conv).collect(),
        }
    }

    pub fn forward(&self, image: &Tensor<4>) -> Vec<Tensor<4>> {
        let maps = self.convs.iter();
        maps.map(|conv| conv.forward(image.clone())).collect()
    }
}

/// A two-stage detector's selecting parts over maps that come straight from the picture.
#[derive(Module, Debug)]
struct TwoStage {
    maps: Levels,
    logits: Levels,
    deltas: Levels,
    classes: Linear,
    boxes: Linear,
}

#[derive(Clone)]
struct TwoStageConfig {
    levels: RangeInclusive<usize>,
    anchors: AnchorLayout,
    per_level: usize,
    limit: usize,
    rois: RoiAlignOptions,
}

impl TwoStageConfig {
    fn strides(&self) -> Vec<usize> {
        self.levels.clone().map(|level| 1 << level).collect()
    }
}

const CLASSES: usize = 3;

impl TwoStage {
    fn new(config: &TwoStageConfig, device: &Device) -> Self {
        let strides = config.strides();
        let [rows, columns] = config.rois.output;
        let linear = |outputs| LinearConfig::new(CHANNELS * rows * columns, outputs).init(device);
        let per_cell = |level| config.anchors.per_cell(level);
        Self {
            maps: Levels::new(&strides, |_| CHANNELS, device),
            logits: Levels::new(&strides, per_cell, device),
            deltas: Levels::new(&strides, |level| 4 * per_cell(level), device),
            classes: linear(CLASSES),
            boxes: linear(4 * CLASSES),
        }
    }

    fn forward(&self, image: Tensor<4>, frame: Tensor<1>, config: &TwoStageConfig) -> Outputs {
        let request = Request {
            proposals: true,
            ..Request::maps([])
        };
        let mut outputs = Outputs::new(&request, &image);
        let maps = RpnMaps {
            logits: self.logits.forward(&image),
            deltas: self.deltas.forward(&image),
        };
        let first = *config.levels.start();
        let options = ProposalOptions {
            per_level: config.per_level,
            limit: config.limit,
            ..ProposalOptions::torchvision(config.anchors.grid(first, SIZE, &maps.sizes()))
        };
        let proposals = select_proposals(maps, frame.clone(), options);
        outputs.proposals(&proposals);
        let (boxes, count) = (proposals.boxes.clone(), proposals.count.clone());
        let rois = roi_align(self.maps.forward(&image), boxes, count, config.rois.clone());
        let rois = rois.flatten::<2>(1, 3);
        let candidates = decode_rois(
            self.classes.forward(rois.clone()),
            self.boxes.forward(rois),
            proposals,
            frame.clone(),
            RoiDecodeOptions::torchvision(0.3),
        );
        outputs.detections = Some(select_detections(candidates, frame, SELECT));
        outputs
    }
}

pub const SELECT: SelectOptions = SelectOptions {
    nms_threshold: 0.5,
    limit: 40,
    edges: Edges::Exclusive,
    is_restored: false,
};

/// The first Faster R-CNN's selecting parts, likewise.
#[derive(Module, Debug)]
struct Legacy {
    map: Levels,
    scores: Levels,
    deltas: Levels,
    classes: Linear,
    boxes: Linear,
}

/// RoIs of the legacy detector.
const POOLED: RoiPoolOptions = RoiPoolOptions {
    output: [5, 7],
    stride: 16,
};

impl Legacy {
    fn new(boxes: usize, device: &Device) -> Self {
        let level = |channels| Levels::new(&[POOLED.stride], |_| channels, device);
        let [rows, columns] = POOLED.output;
        let linear = |outputs| LinearConfig::new(CHANNELS * rows * columns, outputs).init(device);
        Self {
            map: level(CHANNELS),
            scores: level(2 * 9),
            deltas: level(4 * 9),
            classes: linear(CLASSES),
            boxes: linear(4 * boxes),
        }
    }

    fn forward(&self, image: Tensor<4>, frame: Tensor<1>) -> Outputs {
        let request = Request {
            proposals: true,
            ..Request::maps([])
        };
        let mut outputs = Outputs::new(&request, &image);
        let only = |levels: &Levels| levels.forward(&image).remove(0);
        let scores = only(&self.scores);
        let [background, foreground] = [0, 9].map(|first| scores.clone().narrow(1, first, 9));
        let maps = RpnMaps {
            logits: vec![sigmoid(foreground - background)],
            deltas: vec![only(&self.deltas)],
        };
        let anchors = AnchorLayout::legacy().grid(4, SIZE, &maps.sizes());
        // There is room for more than there are anchors.
        let options = ProposalOptions::legacy(anchors);
        let proposals = select_proposals(maps, frame.clone(), options);
        outputs.proposals(&proposals);
        let (boxes, count) = (proposals.boxes.clone(), proposals.count.clone());
        let rois = roi_pool(only(&self.map), boxes, count, POOLED).flatten::<2>(1, 3);
        let candidates = decode_rois(
            self.classes.forward(rois.clone()),
            self.boxes.forward(rois),
            proposals,
            frame.clone(),
            RoiDecodeOptions::legacy(0.3),
        );
        let options = SelectOptions {
            edges: Edges::Inclusive,
            is_restored: true,
            nms_threshold: 0.3,
            ..SELECT
        };
        outputs.detections = Some(select_detections(candidates, frame, options));
        outputs
    }
}

/// A one-stage detector's heads.
#[derive(Module, Debug)]
struct OneStage {
    classes: Levels,
    boxes: Levels,
    landmarks: Levels,
}

impl OneStage {
    fn new(grid: &AnchorGrid, device: &Device) -> Self {
        let levels = &grid.levels;
        let strides: Vec<usize> = levels.iter().map(|level| level.stride[0]).collect();
        let of = |values| {
            let channels = |level: usize| values * levels[level].cell.len();
            Levels::new(&strides, channels, device)
        };
        Self {
            classes: of(2),
            boxes: of(4),
            landmarks: of(10),
        }
    }

    fn forward(&self, image: Tensor<4>, frame: Tensor<1>, grid: &AnchorGrid) -> Outputs {
        let mut outputs = Outputs::new(&Request::maps([]), &image);
        let maps = OneStageMaps {
            classes: self.classes.forward(&image),
            boxes: self.boxes.forward(&image),
            landmarks: self.landmarks.forward(&image),
        };
        let options = AnchorDecodeOptions::retinaface(grid.clone(), 0.6);
        let candidates = decode_anchors(maps, options);
        outputs.detections = Some(select_detections(candidates, frame, SELECT));
        outputs
    }
}

/// Values of a parameter.
fn parameter(path: &str, shape: &[usize]) -> Vec<f32> {
    let count = shape.iter().product::<usize>();
    // Sums of as many numbers stay near 1, and what is added to them does not decide alone.
    let inputs = (count / shape[0]) as f32;
    let scale = match path.ends_with("bias") {
        true => 0.2,
        false => 2.0 / inputs.sqrt(),
    };
    (0..count)
        .map(|index| number(path, index) * scale)
        .collect()
}

/// What was found: rows of numbers, the last of which is the level.
type Rows = Vec<Vec<f32>>;

/// Compile a detector; what its plan proposes and finds must be what Burn does.
pub fn check<M: Module>(
    about: &str,
    init: impl Fn(&Device) -> M,
    forward: impl Fn(&M, Tensor<4>, Tensor<1>) -> Outputs,
) -> Plan {
    let captured: CapturedModel = record(SIZE, &init, &forward).expect("it can be captured");
    let plan = compiled(&captured).unwrap_or_else(|error| panic!("{about}: {error}"));

    let device = Device::flex();
    let module = parameters::fill(init(&device), |path, shape| {
        Ok::<_, std::convert::Infallible>(parameter(path, shape))
    });
    let Ok(module) = module;
    let mut shapes = BTreeMap::new();
    parameters::for_each(&module, |parameter| {
        shapes.insert(parameter.path, parameter.shape);
    });
    let read = |path: &str| {
        let shape: Vec<usize> = shapes[path].clone();
        let values = parameter(path, &shape);
        StoredTensor::of(shape, values)
    };
    let image: Vec<f32> = (0..3 * SIZE[0] * SIZE[1])
        .map(|index| number("image", index))
        .collect();
    let input = Tensor::<1>::from_floats(image.as_slice(), &device);
    let [height, width] = SIZE.map(|side| side as f32);
    let input = input.reshape([1, 3, SIZE[0], SIZE[1]]);
    let sizes = Tensor::<1>::from_data(
        [height, width, RATIO[0], RATIO[1], SHIFT[0], SHIFT[1]],
        &device,
    );
    let inputs = [input.to_data(), sizes.to_data()];
    let expected = forward(&module, input, sizes);
    check_replay(about, &captured, &read, inputs, &expected);

    let frame = FrameUniform::new(SIZE, SIZE, RATIO).shifted(SHIFT);
    let interpreter = Interpreter::new(&plan, &read, frame, Vec::new());
    let mut interpreter = interpreter.expect("the parameters are made here");
    interpreter.fill(&plan.inputs[0], &image);
    interpreter.finish();
    if let Some(proposals) = &expected.proposals {
        let expected = rows(
            proposals.boxes.clone(),
            std::slice::from_ref(&proposals.levels),
        );
        let slot = plan.proposals().expect("they are asked for");
        let [boxes, levels, count] = [slot.boxes, slot.levels, slot.count]
            .map(|range| interpreter.buffer(Binding::Arena(range)));
        let boxes: &[f32] = bytemuck::cast_slice(boxes);
        let found = boxes.chunks_exact(4).zip(levels);
        let found = found.take(count[0] as usize).map(|(bbox, level)| {
            let mut row = bbox.to_vec();
            row.push(*level as f32);
            row
        });
        assert_same(&format!("{about}: proposals"), &found.collect(), &expected);
    }
    let detections = expected.detections.expect("they are asked for");
    let integers = [detections.labels, detections.levels].map(Tensor::from_dispatch);
    let expected = rows(Tensor::from_dispatch(detections.rows), &integers);
    let layout = plan.detections().expect("they are asked for");
    let words = interpreter.buffer(Binding::Results);
    let values: &[f32] = bytemuck::cast_slice(&words[4..]);
    let found = values.chunks_exact(4 * layout.blocks).map(|row| {
        let tags = &row[4 * (layout.blocks - 1)..];
        [&row[..4 + layout.landmarks], &tags[1..3]].concat()
    });
    let found: Rows = found.take(words[0] as usize).collect();
    assert!(found.len() > 3, "{about}: {found:?} of {expected:?}");
    assert_same(&format!("{about}: detections"), &found, &expected);
    plan
}

/// What was recorded, run again, finds what the module does, however few rows that is.
fn check_replay(
    about: &str,
    captured: &CapturedModel,
    read: &dyn Fn(&str) -> StoredTensor,
    [image, sizes]: [TensorData; 2],
    expected: &Outputs,
) {
    let values = replay(captured, read, vec![image], Some(sizes));
    let values = values.expect("the parameters are made here");
    let mut outputs = captured.outputs.iter();
    let found = outputs.find_map(|output| match output {
        GraphOutput::Detections(rows) => Some(&values[rows]),
        _ => None,
    });
    let detections = expected.detections.as_ref().expect("they are asked for");
    let rows = Tensor::<2>::from_dispatch(detections.rows.clone()).into_data();
    let rows: Vec<f32> = rows.try_to_vec().expect("floats");
    let found = found.expect("they are replayed");
    assert_eq!(found.len(), rows.len(), "{about}");
    for (found, expected) in found.iter().zip(&rows) {
        // In pixels; sums are not made in the same order.
        assert!(
            (found - expected).abs() <= 1e-3,
            "{about}: {found} instead of {expected}"
        );
    }
}

/// Rows `[R, C]` with columns of integers behind them.
fn rows(values: Tensor<2>, columns: &[Tensor<1, Int>]) -> Rows {
    let [_, width] = values.dims();
    let values: Vec<f32> = values.into_data().try_to_vec().expect("floats");
    let mut rows: Rows = values.chunks_exact(width).map(<[f32]>::to_vec).collect();
    for column in columns {
        let column: Vec<i32> = column.to_data().try_to_vec().expect("integers");
        for (row, value) in rows.iter_mut().zip(column) {
            row.push(value as f32);
        }
    }
    rows
}

fn assert_same(about: &str, found: &Rows, expected: &Rows) {
    assert_eq!(found.len(), expected.len(), "{about}");
    for (found, expected) in found.iter().zip(expected) {
        let mut pairs = found.iter().zip(expected);
        let is_same = pairs.all(|(a, b)| (a - b).abs() < 1e-3);
        assert!(is_same, "{about}: {found:?} instead of {expected:?}");
    }
}

/// How many steps have this in their names.
pub fn steps_of(plan: &Plan, name: &str) -> usize {
    let steps = plan.steps.iter();
    steps.filter(|step| step.name.contains(name)).count()
}

#[test]
fn two_stages_of_any_levels_and_anchors() {
    let torchvision = AnchorLayout::torchvision();
    let rois = RoiAlignOptions::torchvision([7, 7]);
    // Detectron's C4: one level at stride 16, with all sizes of anchors in all shapes.
    let c4 = TwoStageConfig {
        levels: 4..=4,
        anchors: AnchorLayout {
            sizes: &[&[8.0, 16.0, 32.0, 48.0, 64.0]],
            ..torchvision
        },
        per_level: 300,
        limit: 60,
        rois: RoiAlignOptions {
            output: [14, 14],
            sampling_ratio: 0,
            aligned: true,
            strides: vec![16],
            first_level: 4,
            ..rois.clone()
        },
    };
    // A pyramid that begins at half the picture's size.
    let extended = TwoStageConfig {
        levels: 1..=6,
        anchors: AnchorLayout {
            sizes: &[&[4.0], &[8.0], &[16.0], &[32.0], &[64.0], &[80.0]],
            ..torchvision
        },
        per_level: 40,
        limit: 90,
        rois: RoiAlignOptions {
            output: [3, 5],
            strides: vec![2, 4, 8, 16, 32, 64],
            first_level: 1,
            canonical_level: 3,
            canonical_size: 16.0,
            ..rois.clone()
        },
    };
    let one_anchor = TwoStageConfig {
        levels: 3..=4,
        anchors: AnchorLayout {
            sizes: &[&[16.0], &[40.0]],
            aspect_ratios: &[1.0],
            rule: AnchorRule::Centred,
        },
        per_level: 50,
        limit: 30,
        rois: RoiAlignOptions {
            strides: vec![8, 16],
            first_level: 3,
            canonical_level: 3,
            canonical_size: 20.0,
            ..rois
        },
    };
    for (about, config, crops) in [
        ("C4", c4, 1),
        ("extended", extended, 2),
        ("one anchor", one_anchor, 1),
    ] {
        let plan = check(
            about,
            |device| TwoStage::new(&config, device),
            |module, image, frame| module.forward(image, frame, &config),
        );
        let levels = config.levels.clone().count();
        assert_eq!(steps_of(&plan, "top anchors"), levels, "{about}");
        // Of up to four levels in one dispatch.
        assert_eq!(steps_of(&plan, "roi_align"), crops, "{about}");
        let storage = plan.steps.iter().map(|step| step.bindings.len()).max();
        assert!(storage <= Some(8), "{about}");
    }
}

#[test]
fn two_stages_on_one_map_with_inclusive_edges() {
    // A box for each class, and one for all.
    for boxes in [CLASSES, 1] {
        let about = format!("{boxes} boxes a RoI");
        let plan = check(
            &about,
            |device| Legacy::new(boxes, device),
            |module, image, frame| module.forward(image, frame),
        );
        assert_eq!(steps_of(&plan, "roi_pool"), 1, "{about}");
    }
}

#[test]
fn one_stage_of_any_levels_and_anchors() {
    for (first_level, per_cell) in [(4, vec![16]), (3, vec![1, 5]), (1, vec![2, 3, 1, 4, 2, 6])] {
        let level = |(index, &anchors): (usize, &usize)| {
            let stride = 1 << (first_level + index);
            let side = |a: usize| (stride * (a + 2)) as f32;
            AnchorLevel {
                stride: [stride; 2],
                cell: (0..anchors)
                    .map(|a| [-side(a), -side(a) / 2.0, side(a), side(a)])
                    .collect(),
            }
        };
        let grid = AnchorGrid {
            first_level,
            levels: per_cell.iter().enumerate().map(level).collect(),
        };
        let about = format!("from level {first_level}, {per_cell:?} anchors");
        let plan = check(
            &about,
            |device| OneStage::new(&grid, device),
            |module, image, frame| module.forward(image, frame, &grid),
        );
        assert_eq!(steps_of(&plan, "candidates"), per_cell.len(), "{about}");
    }
}

/// Why proposals of one level with such anchors and so many of them are refused.
fn refusal(anchors: usize, per_level: usize) -> String {
    let grid = AnchorGrid {
        first_level: 4,
        levels: vec![AnchorLevel {
            stride: [16, 16],
            cell: vec![[-8.0, -8.0, 8.0, 8.0]; anchors],
        }],
    };
    let init = |device: &Device| {
        let of = |channels| Levels::new(&[16], |_| channels, device);
        vec![of(3), of(12)]
    };
    let captured = record(SIZE, init, |heads: &Vec<Levels>, image, frame| {
        let request = Request {
            proposals: true,
            ..Request::maps([])
        };
        let mut outputs = Outputs::new(&request, &image);
        let maps = RpnMaps {
            logits: heads[0].forward(&image),
            deltas: heads[1].forward(&image),
        };
        let options = ProposalOptions {
            per_level,
            limit: 10,
            ..ProposalOptions::torchvision(grid)
        };
        outputs.proposals(&select_proposals(maps, frame, options));
        outputs
    });
    let captured = captured.expect("it can be captured");
    let refused = compiled(&captured).expect_err("its kernels do not know it");
    refused.to_string()
}

#[test]
fn more_anchors_than_are_known_are_refused() {
    for (anchors, per_level, told) in [
        (17, 100, "17 anchors a cell, where 1 to 16 are known"),
        (2, 100, "where there are 2 anchors a cell"),
        (
            3,
            40_000,
            "40000 anchors a level, where at most 32768 are known",
        ),
        (3, 9, "10 proposals, where there are at most 9"),
    ] {
        let refused = refusal(anchors, per_level);
        assert!(refused.contains(told), "{refused}");
    }
}
