//! The final selection of every detector: class-wise NMS, the best few, back to the original
//! picture's pixels.

use burn::backend::tensor::FloatTensor;
use burn::backend::{Backend, Capture, Dispatch, Flex, TensorMetadata, backend_extension};
use burn::tensor::Tensor;
#[cfg(feature = "verify")]
use burn_ir::CustomOpIr;
use burn_ir::ScalarIr;

use crate::boxes::{BBox, Edges, Fate, suppress};
use crate::kernels::{blocks, select_detections};
use crate::ops::candidates::{self, CANDIDATES, Candidate, Candidates, captured_shapes};
use crate::ops::capture::{record, size};
use crate::ops::flex;
#[cfg(feature = "verify")]
use crate::ops::flex::Handles;
use crate::ops::operation::{Arguments, Operation};
use crate::plan::{DetectionsLayout, Draft, Operand, PlanBuilder, Value, ValueId, ValueKind};
use crate::stage::Stage;
use crate::transform::Frame;

mod rois;

pub(crate) use rois::SelectRois;
pub use rois::{Rois, SelectRoisOps, Selected, select_rois};

/// The thresholds of [`select_detections()`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SelectOptions {
    /// Overlap above which the weaker of two boxes of a class falls.
    pub nms_threshold: f32,
    /// Best detections kept.
    pub limit: usize,
    /// Of boxes.
    pub edges: Edges,
    /// Whether boxes overlap as they do in the original picture, and not in the resized one: where edges
    /// are inclusive, a pixel is more of a small box than of a large one.
    pub is_restored: bool,
}

impl SelectOptions {
    fn to_scalars(self) -> Vec<ScalarIr> {
        vec![
            ScalarIr::Float(self.nms_threshold.into()),
            ScalarIr::UInt(self.limit as u64),
            ScalarIr::UInt(self.edges.word().into()),
            ScalarIr::Bool(self.is_restored),
        ]
    }

    /// As a captured graph holds them.
    pub(crate) fn from_scalars(scalars: &[ScalarIr]) -> Self {
        Self {
            nms_threshold: scalars[0].elem(),
            limit: size(scalars[1]),
            edges: Edges::of_word(scalars[2].elem()),
            is_restored: scalars[3].elem(),
        }
    }
}

/// Candidates by score (ties: the earlier one) through class-wise NMS, the best `limit` of them
/// mapped back to the original picture, best first.
///
/// `frame` is [`Frame::tensor`](crate::transform::Frame::tensor).
pub fn select_detections(
    candidates: Candidates<Dispatch>,
    frame: Tensor<1>,
    options: SelectOptions,
) -> Candidates<Dispatch> {
    <Dispatch as SelectOps>::select_detections(candidates, frame.into_dispatch(), options)
}

/// Backends that can run [`select_detections()`].
#[backend_extension(Flex, Capture)]
pub trait SelectOps: Backend {
    /// See [`select_detections()`].
    fn select_detections(
        #[extension_type] candidates: Candidates<Self>,
        frame: FloatTensor<Self>,
        options: SelectOptions,
    ) -> Candidates<Self>;
}

impl SelectOps for Flex {
    fn select_detections(
        candidates: Candidates<Self>,
        frame: FloatTensor<Self>,
        options: SelectOptions,
    ) -> Candidates<Self> {
        let landmarks = candidates.rows.shape()[1] - 4;
        let frame = flex::contiguous(frame);
        let frame = flex::values::<f32>(&frame);
        let selected = select(candidates.into_memory(), Place::of(frame), options);
        Candidates::from_memory(&selected, landmarks)
    }
}

impl SelectOps for Capture {
    fn select_detections(
        candidates: Candidates<Self>,
        frame: FloatTensor<Self>,
        options: SelectOptions,
    ) -> Candidates<Self> {
        let width = candidates.rows.shape()[1];
        let mut inputs = candidates.into_captured().to_vec();
        inputs.push(frame);
        Candidates::from_captured(record(
            SelectDetections.id(),
            inputs,
            options.to_scalars(),
            captured_shapes(options.limit, width),
        ))
    }
}

/// [`select_detections()`] in the compiler's hands.
pub(crate) struct SelectDetections;

impl Operation for SelectDetections {
    fn id(&self) -> &'static str {
        "fpn::select_detections"
    }

    fn stage(&self) -> Option<Stage> {
        Some(Stage::Selection)
    }

    fn signature(&self, _inputs: usize) -> (Vec<ValueKind>, Vec<ValueKind>) {
        let mut inputs = CANDIDATES.to_vec();
        inputs.push(ValueKind::Frame);
        (inputs, vec![ValueKind::Detections; CANDIDATES.len()])
    }

    fn check(
        &self,
        _scalars: &[ScalarIr],
        inputs: &[&Value],
        outputs: &[&Value],
    ) -> Result<(), String> {
        candidates::check(&inputs[..CANDIDATES.len()])?;
        candidates::check(outputs)?;
        check_widths(inputs[0], outputs[0])
    }

    fn schedule(&self, arguments: Arguments<'_>, plan: &mut PlanBuilder<'_>) {
        schedule(arguments, plan, &[]);
    }

    #[cfg(feature = "verify")]
    fn replay(&self, call: &CustomOpIr, tensors: &mut Handles) {
        let (candidates, frame) = call.inputs.split_at(CANDIDATES.len());
        let candidates = Candidates::read(candidates, tensors);
        let frame = tensors.get_float_tensor::<Flex>(&frame[0]);
        let options = SelectOptions::from_scalars(&call.scalars);
        let found = <Flex as SelectOps>::select_detections(candidates, frame, options);
        found.register(&call.outputs, tensors);
    }
}

/// The step that selects, and makes `rois` too where there are such: boxes, labels, number.
fn schedule(arguments: Arguments<'_>, plan: &mut PlanBuilder<'_>, rois: &[ValueId]) {
    let options = SelectOptions::from_scalars(arguments.scalars);
    let [rows, _, _, _, found, _] = arguments.inputs[..] else {
        unreachable!("candidates have five parts, and there is the frame")
    };
    let [capacity, width] = *plan.shape(rows) else {
        unreachable!("candidates are rows")
    };
    let detections = arguments.outputs[0];
    let [candidates, found] = plan.operands([rows, found]);
    let layout = DetectionsLayout {
        limit: options.limit.min(capacity),
        blocks: blocks(width) + 1,
        landmarks: width - 4,
    };
    let selection = select_detections::Params {
        capacity: capacity as u32,
        blocks: layout.blocks as u32,
        limit: layout.limit as u32,
        threshold: options.nms_threshold,
        edges: options.edges.word(),
        is_restored: options.is_restored.into(),
        unused: [0; 2],
    };
    let [keys, kept] = selection.scratch().map(|words| plan.temporary(words * 4));
    let mut operands = vec![
        Operand::Frame,
        candidates,
        found,
        keys,
        kept,
        Operand::Results,
    ];
    operands.extend(rois.iter().map(|part| plan.operand(*part)));
    let dispatch = selection.dispatch(!rois.is_empty());
    let draft = Draft::making("detections", dispatch, operands, detections);
    plan.push(draft.waiting(selection.waits()));
    plan.keep_detections(layout);
}

/// # Errors
/// If rows of candidates become rows of other widths.
fn check_widths(candidates: &Value, detections: &Value) -> Result<(), String> {
    match [candidates.shape[1], detections.shape[1]] {
        [found, made] if found == made => Ok(()),
        [found, made] => Err(format!(
            "it makes rows of {made} values from rows of {found}"
        )),
    }
}

/// Where the resized picture lies in the original, down and across.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Place {
    /// What a place in the resized picture is multiplied by to be one in the original …
    pub ratio: [f32; 2],
    /// … and what is added then.
    pub shift: [f32; 2],
}

impl From<&Frame> for Place {
    fn from(frame: &Frame) -> Self {
        Self {
            ratio: frame.ratio,
            shift: frame.shift,
        }
    }
}

impl Place {
    /// As [`Frame::tensor`](crate::transform::Frame::tensor) has it.
    fn of(frame: &[f32]) -> Self {
        Self {
            ratio: [frame[2], frame[3]],
            shift: [frame[4], frame[5]],
        }
    }

    /// A point `[x, y]` of the resized picture in the original.
    fn point(self, [x, y]: [f32; 2]) -> [f32; 2] {
        let Self { ratio, shift } = self;
        [x * ratio[1] + shift[1], y * ratio[0] + shift[0]]
    }

    /// A box of the resized picture in the original.
    pub fn restored(self, [x1, y1, x2, y2]: BBox) -> BBox {
        let ([x1, y1], [x2, y2]) = (self.point([x1, y1]), self.point([x2, y2]));
        [x1, y1, x2, y2]
    }
}

/// What the CPU engine does for [`select_detections()`].
pub fn select(candidates: Vec<Candidate>, place: Place, options: SelectOptions) -> Vec<Candidate> {
    let kept = select_kept(candidates, place, options).into_iter();
    kept.map(|(_, restored)| restored).collect()
}

/// The same, each behind what it was in pixels of the resized picture.
fn select_kept(
    candidates: Vec<Candidate>,
    place: Place,
    options: SelectOptions,
) -> Vec<(Candidate, Candidate)> {
    let fates = trace(&candidates, place, options).into_iter();
    let kept = fates.filter(|(_, fate)| matches!(fate, Fate::Kept(_)));
    kept.map(|(index, _)| {
        let own = candidates[index].clone();
        let restored = restore(&own, place);
        (own, restored)
    })
    .collect()
}

/// What becomes of candidates in [`select`], best first: the index of each, and its fate by that order.
pub fn trace(candidates: &[Candidate], place: Place, options: SelectOptions) -> Vec<(usize, Fate)> {
    let mut order: Vec<usize> = (0..candidates.len()).collect();
    // Stable, so that ties stay in order.
    order.sort_by(|&a, &b| candidates[b].score.total_cmp(&candidates[a].score));
    let bbox = |&index: &usize| match options.is_restored {
        true => place.restored(candidates[index].bbox),
        false => candidates[index].bbox,
    };
    let boxes: Vec<BBox> = order.iter().map(bbox).collect();
    let label = |rank: usize| candidates[order[rank]].label;
    let (threshold, limit) = (options.nms_threshold, options.limit);
    let fates = suppress(&boxes, options.edges, label, threshold, limit);
    order.into_iter().zip(fates).collect()
}

fn restore(candidate: &Candidate, place: Place) -> Candidate {
    let landmarks = candidate.landmarks.as_chunks().0.iter();
    Candidate {
        bbox: place.restored(candidate.bbox),
        landmarks: landmarks.flat_map(|point| place.point(*point)).collect(),
        ..*candidate
    }
}
