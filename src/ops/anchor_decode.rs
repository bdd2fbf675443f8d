//! Decoding a one-stage detector's head maps over its grid of anchors: softmax of two classes, box
//! and landmarks, threshold (RetinaFace's `decode` and `decode_landm`).

use burn::backend::{Backend, Capture, Dispatch, Flex, TensorMetadata, backend_extension};
use burn::tensor::Tensor;
use burn::tensor::activation::sigmoid;
#[cfg(feature = "verify")]
use burn_ir::CustomOpIr;
use burn_ir::ScalarIr;

use super::anchors::{AnchorGrid, AnchorLevel, AnchorPlace};
use super::candidates::{self, CANDIDATES, Candidate, Candidates, captured_shapes};
use super::capture::record;
#[cfg(feature = "verify")]
use super::flex::Handles;
use super::flex::{self, Map};
use super::levels::{self, Levels};
use super::operation::{Arguments, Operation, one_picture};
use super::roi_decode::softmax;
use crate::boxes::BBox;
use crate::kernels::{anchors, decode_anchors, words};
use crate::plan::{Draft, PlanBuilder, Value, ValueKind};
use crate::stage::Stage;

/// Values of a face's five landmarks.
const LANDMARKS: usize = 10;

/// What the heads say of each level, finest first, with A anchors a cell.
pub struct OneStageMaps {
    /// `[1, 2A, H, W]` a level: background and face logits of anchor 0, then of anchor 1, …
    pub classes: Vec<Tensor<4>>,
    /// `[1, 4A, H, W]` a level.
    pub boxes: Vec<Tensor<4>>,
    /// `[1, 10A, H, W]` a level.
    pub landmarks: Vec<Tensor<4>>,
}

impl OneStageMaps {
    /// Height and width of each level's maps.
    pub fn sizes(&self) -> Vec<[usize; 2]> {
        levels::sizes(&self.classes)
    }

    /// How likely the likeliest of a cell's anchors is a face, `[1, 1, H, W]` a level.
    pub fn objectness(&self) -> Vec<Tensor<4>> {
        let classes = self.classes.iter();
        let likeliest = classes.map(|classes| {
            let [_, logits, height, width] = classes.dims();
            let anchors = logits / 2;
            let pairs = classes.clone().reshape([anchors, 2, height, width]);
            let [background, face] = [0, 1].map(|class| pairs.clone().narrow(1, class, 1));
            // The softmax of two logits is the sigmoid of their difference.
            let differences = (face - background).reshape([1, anchors, height, width]);
            sigmoid(differences.max_dim(1))
        });
        likeliest.collect()
    }
}

/// How [`decode_anchors()`] reads the maps.
#[derive(Clone, Debug, PartialEq)]
pub struct AnchorDecodeOptions {
    /// Where boxes start from.
    pub anchors: AnchorGrid,
    /// An anchor must score more than this.
    pub score_threshold: f32,
    /// What offsets and log sizes are multiplied by.
    pub variances: [f32; 2],
}

impl AnchorDecodeOptions {
    /// RetinaFace's, but for the threshold.
    pub fn retinaface(anchors: AnchorGrid, score_threshold: f32) -> Self {
        Self {
            anchors,
            score_threshold,
            variances: [0.1, 0.2],
        }
    }

    fn to_scalars(&self) -> Vec<ScalarIr> {
        let own = [self.score_threshold, self.variances[0], self.variances[1]];
        let own = own.map(|value| ScalarIr::Float(value.into()));
        own.into_iter().chain(self.anchors.to_scalars()).collect()
    }

    /// As a captured graph holds them.
    pub(crate) fn from_scalars(scalars: &[ScalarIr]) -> Self {
        Self {
            score_threshold: scalars[0].elem(),
            variances: [scalars[1].elem(), scalars[2].elem()],
            anchors: AnchorGrid::from_scalars(&scalars[3..]),
        }
    }
}

/// Every anchor whose face score passes the threshold, decoded, in pixels of the network's input;
/// not clipped to the picture.
///
/// # Panics
/// If there are not three maps for each level of the anchors.
pub fn decode_anchors(maps: OneStageMaps, options: AnchorDecodeOptions) -> Candidates<Dispatch> {
    let levels = options.anchors.levels.len();
    assert_eq!(
        [maps.classes.len(), maps.boxes.len(), maps.landmarks.len()],
        [levels; 3],
        "anchors are decoded from classes, boxes and landmarks of each level that has anchors"
    );
    <Dispatch as AnchorDecodeOps>::decode_anchors(
        maps.classes.into(),
        maps.boxes.into(),
        maps.landmarks.into(),
        options,
    )
}

/// Backends that can run [`decode_anchors()`].
#[backend_extension(Flex, Capture)]
pub trait AnchorDecodeOps: Backend {
    /// See [`decode_anchors()`].
    fn decode_anchors(
        #[extension_type] classes: Levels<Self>,
        #[extension_type] boxes: Levels<Self>,
        #[extension_type] landmarks: Levels<Self>,
        options: AnchorDecodeOptions,
    ) -> Candidates<Self>;
}

impl AnchorDecodeOps for Flex {
    fn decode_anchors(
        classes: Levels<Self>,
        boxes: Levels<Self>,
        landmarks: Levels<Self>,
        options: AnchorDecodeOptions,
    ) -> Candidates<Self> {
        let tensors = [classes, boxes, landmarks].map(flex::contiguous_levels);
        let [classes, boxes, landmarks] = tensors.each_ref().map(|maps| flex::map_levels(maps));
        let candidates = decode_grid(&classes, &boxes, &landmarks, &options);
        Candidates::from_memory(&candidates, LANDMARKS)
    }
}

impl AnchorDecodeOps for Capture {
    fn decode_anchors(
        classes: Levels<Self>,
        boxes: Levels<Self>,
        landmarks: Levels<Self>,
        options: AnchorDecodeOptions,
    ) -> Candidates<Self> {
        let logits = classes.0.iter().map(|map| map.shape().num_elements());
        let anchors = logits.sum::<usize>() / 2;
        let inputs = [classes.0, boxes.0, landmarks.0].concat();
        Candidates::from_captured(record(
            DecodeAnchors.id(),
            inputs,
            options.to_scalars(),
            captured_shapes(anchors, 4 + LANDMARKS),
        ))
    }
}

/// [`decode_anchors()`] in the compiler's hands.
pub(crate) struct DecodeAnchors;

impl Operation for DecodeAnchors {
    fn id(&self) -> &'static str {
        "fpn::decode_anchors"
    }

    fn stage(&self) -> Option<Stage> {
        Some(Stage::Selection)
    }

    fn signature(&self, inputs: usize) -> (Vec<ValueKind>, Vec<ValueKind>) {
        (vec![ValueKind::Floats; inputs], CANDIDATES.to_vec())
    }

    fn check(
        &self,
        scalars: &[ScalarIr],
        inputs: &[&Value],
        outputs: &[&Value],
    ) -> Result<(), String> {
        one_picture(inputs)?;
        candidates::check(outputs)?;
        if inputs.is_empty() || !inputs.len().is_multiple_of(3) {
            return Err(format!(
                "it reads {} maps, where three a level are expected",
                inputs.len()
            ));
        }
        let levels = inputs.len() / 3;
        let anchors = AnchorDecodeOptions::from_scalars(scalars).anchors;
        anchors.check(levels)?;
        for (level, AnchorLevel { cell, .. }) in anchors.levels.iter().enumerate() {
            let [classes, boxes, landmarks] =
                [0, 1, 2].map(|head| inputs[head * levels + level].map());
            let [_, height, width] = classes;
            let expected = [2, 4, LANDMARKS].map(|values| [values * cell.len(), height, width]);
            if [classes, boxes, landmarks] != expected {
                return Err(format!(
                    "it reads maps {classes:?}, {boxes:?} and {landmarks:?} of a level, where \
                     {expected:?} are expected"
                ));
            }
        }
        Ok(())
    }

    fn schedule(&self, arguments: Arguments<'_>, plan: &mut PlanBuilder<'_>) {
        let options = AnchorDecodeOptions::from_scalars(arguments.scalars);
        let (rows, found) = (arguments.outputs[0], arguments.outputs[4]);
        let levels = options.anchors.levels.len();
        for (level, AnchorLevel { stride, cell }) in options.anchors.levels.iter().enumerate() {
            let number = options.anchors.number(level);
            let [classes, boxes, landmarks] =
                [0, 1, 2].map(|head| arguments.inputs[head * levels + level]);
            let priors: Vec<[f32; 4]> =
                cell.iter().map(|anchor| Prior::of(*anchor).row()).collect();
            let params = decode_anchors::Params {
                anchors: anchors::of_cell(&priors),
                per_cell: cell.len() as u32,
                size: words(plan.size_of(classes)),
                stride: words(*stride),
                level: number as u32,
                class_pitch: plan.pitch(classes) as u32,
                box_pitch: plan.pitch(boxes) as u32,
                landmark_pitch: plan.pitch(landmarks) as u32,
                is_first: u32::from(level == 0),
                score_threshold: options.score_threshold,
                by_offset: options.variances[0],
                by_size: options.variances[1],
                capacity: plan.shape(rows)[0] as u32,
                ..Default::default()
            };
            let operands = plan.operands([classes, boxes, landmarks, rows, found]);
            let name = format!("P{number} candidates");
            let draft = match level + 1 == levels {
                true => Draft::making(name, params.dispatch(), operands, rows),
                false => Draft::step(name, params.dispatch(), operands, rows),
            };
            plan.push(draft.waiting(params.waits()));
        }
    }

    #[cfg(feature = "verify")]
    fn replay(&self, call: &CustomOpIr, tensors: &mut Handles) {
        let mut inputs = call
            .inputs
            .iter()
            .map(|input| tensors.get_float_tensor::<Flex>(input));
        let options = AnchorDecodeOptions::from_scalars(&call.scalars);
        let levels = options.anchors.levels.len();
        let mut levels = || Levels(inputs.by_ref().take(levels).collect());
        let (classes, boxes, landmarks) = (levels(), levels(), levels());
        let candidates =
            <Flex as AnchorDecodeOps>::decode_anchors(classes, boxes, landmarks, options);
        candidates.register(&call.outputs, tensors);
    }
}

/// What the CPU engine does for [`decode_anchors()`], in the order of (level, cell, anchor).
pub fn decode_grid(
    classes: &[Map<'_>],
    boxes: &[Map<'_>],
    landmarks: &[Map<'_>],
    options: &AnchorDecodeOptions,
) -> Vec<Candidate> {
    let decoded = trace(classes, boxes, landmarks, options);
    decoded.into_iter().map(|(_, found)| found).collect()
}

/// The same, each behind the anchor that it is of.
pub fn trace(
    classes: &[Map<'_>],
    boxes: &[Map<'_>],
    landmarks: &[Map<'_>],
    options: &AnchorDecodeOptions,
) -> Vec<(AnchorPlace, Candidate)> {
    let grid = &options.anchors;
    let mut candidates = Vec::new();
    for level in 0..classes.len() {
        let width = classes[level].shape[2];
        for cell in 0..classes[level].cells() {
            for a in 0..grid.levels[level].cell.len() {
                let place = AnchorPlace {
                    level,
                    cell: [cell / width, cell % width],
                    a,
                };
                let score = scores_of(classes, place)[1];
                // NaN passes no threshold.
                if score > options.score_threshold {
                    let deltas = |map: &Map<'_>, count: usize| -> Vec<f32> {
                        (0..count).map(|k| map.at(count * a + k, cell)).collect()
                    };
                    let anchor = Prior::of(grid.at(place));
                    let candidate = Candidate {
                        bbox: anchor.bbox(&deltas(&boxes[level], 4), options.variances),
                        landmarks: anchor
                            .points(&deltas(&landmarks[level], LANDMARKS), options.variances),
                        score,
                        label: 1,
                        level: grid.number(level) as i32,
                    };
                    candidates.push((place, candidate));
                }
            }
        }
    }
    candidates
}

/// How an anchor scores as background and as a face, of each level's classes.
pub fn scores_of(classes: &[Map<'_>], place: AnchorPlace) -> Vec<f32> {
    let AnchorPlace { level, cell, a } = place;
    let map = &classes[level];
    let cell = cell[0] * map.shape[2] + cell[1];
    softmax(&[0, 1].map(|class| map.at(2 * a + class, cell)))
}

/// An anchor by centre and size.
struct Prior {
    centre: [f32; 2],
    size: [f32; 2],
}

impl Prior {
    fn of([x1, y1, x2, y2]: BBox) -> Self {
        Self {
            centre: [(x1 + x2) / 2.0, (y1 + y2) / 2.0],
            size: [x2 - x1, y2 - y1],
        }
    }

    /// As the kernel takes it.
    fn row(&self) -> [f32; 4] {
        let ([x, y], [width, height]) = (self.centre, self.size);
        [x, y, width, height]
    }

    fn bbox(&self, deltas: &[f32], [by_offset, by_size]: [f32; 2]) -> BBox {
        let axis = |k: usize| {
            let centre = self.centre[k] + deltas[k] * by_offset * self.size[k];
            let size = self.size[k] * (deltas[2 + k] * by_size).exp();
            let low = centre - size / 2.0;
            [low, low + size]
        };
        let ([x1, x2], [y1, y2]) = (axis(0), axis(1));
        [x1, y1, x2, y2]
    }

    fn points(&self, deltas: &[f32], [by_offset, _]: [f32; 2]) -> Vec<f32> {
        deltas
            .iter()
            .enumerate()
            .map(|(k, delta)| self.centre[k % 2] + delta * by_offset * self.size[k % 2])
            .collect()
    }
}
