//! Proposal selection: from the RPN's raw maps to the boxes worth a second look, as torchvision's
//! `RegionProposalNetwork.filter_proposals`.

use burn::backend::tensor::{FloatTensor, IntTensor};
use burn::backend::{Backend, Capture, Dispatch, ExtensionType, Flex, backend_extension};
use burn::tensor::{DType, Int, Shape, Tensor};
use burn_ir::ScalarIr;

#[cfg(feature = "verify")]
use burn_ir::CustomOpIr;

use super::anchors::AnchorGrid;
use super::capture::{record, size};
#[cfg(feature = "verify")]
use super::flex::Handles;
use super::flex::{self, Map};
use super::levels::Levels5;
use super::operation::{Arguments, Operation, one_picture};
use crate::boxes::{BBox, clip, decode, is_at_least, nms};
use crate::kernels::{decode_proposals, merge_proposals, nms_levels, top_anchors, words};
use crate::plan::{Draft, Operand, PlanBuilder, Value, ValueId, ValueKind};
use crate::stage::Stage;

/// What the RPN head says of P2…P6.
pub struct RpnMaps {
    /// Objectness logits, `[1, A, H, W]` a level.
    pub logits: [Tensor<4>; 5],
    /// Box deltas, `[1, 4A, H, W]` a level: dx, dy, dw, dh of anchor 0, then of anchor 1, …
    pub deltas: [Tensor<4>; 5],
}

/// Boxes that may hold an object.
#[derive(Clone)]
pub struct Proposals {
    /// `[R, 4]` in pixels of the resized picture, best first.
    pub boxes: Tensor<2>,
    /// `[R]`, the level (2 for P2) whose anchor each started from.
    pub levels: Tensor<1, Int>,
    /// `[1]`, how many rows are meant.
    pub count: Tensor<1, Int>,
}

/// The thresholds of [`select_proposals`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ProposalOptions {
    /// Height and width of the network's input, padding included: anchors are spaced by
    /// `padded / map`, an integer division.
    pub padded: [usize; 2],
    /// Side of P2's square anchor, in pixels; see [`AnchorGrid::pyramid`].
    pub anchor_size: f32,
    /// Best anchors taken from each level.
    pub per_level: usize,
    /// Best boxes kept over all levels.
    pub limit: usize,
    /// Overlap above which the weaker of two boxes of a level falls.
    pub nms_threshold: f32,
    /// Least side in pixels.
    pub min_side: f32,
}

impl ProposalOptions {
    /// torchvision's at inference.
    pub fn torchvision(padded: [usize; 2]) -> Self {
        Self {
            padded,
            anchor_size: 32.0,
            per_level: 1000,
            limit: 1000,
            nms_threshold: 0.7,
            min_side: 1e-3,
        }
    }

    fn to_scalars(self) -> Vec<ScalarIr> {
        vec![
            ScalarIr::UInt(self.padded[0] as u64),
            ScalarIr::UInt(self.padded[1] as u64),
            ScalarIr::UInt(self.per_level as u64),
            ScalarIr::UInt(self.limit as u64),
            ScalarIr::Float(self.nms_threshold.into()),
            ScalarIr::Float(self.min_side.into()),
            ScalarIr::Float(self.anchor_size.into()),
        ]
    }

    /// As a captured graph holds them.
    pub(crate) fn from_scalars(scalars: &[ScalarIr]) -> Self {
        Self {
            padded: [size(scalars[0]), size(scalars[1])],
            per_level: size(scalars[2]),
            limit: size(scalars[3]),
            nms_threshold: scalars[4].elem(),
            min_side: scalars[5].elem(),
            anchor_size: scalars[6].elem(),
        }
    }
}

/// Per level: the best anchors by logit (ties: the earlier one), decoded, clipped to the unpadded
/// picture, without the tiny ones, through NMS; then the best of all levels by logit (ties: the
/// finer level, the earlier anchor).
///
/// `frame` is [`Frame::tensor`](crate::transform::Frame::tensor).
pub fn select_proposals(maps: RpnMaps, frame: Tensor<1>, options: ProposalOptions) -> Proposals {
    let proposals = <Dispatch as ProposalOps>::select_proposals(
        maps.logits.into(),
        maps.deltas.into(),
        frame.into_dispatch(),
        options,
    );
    Proposals {
        boxes: Tensor::from_dispatch(proposals.boxes),
        levels: Tensor::from_dispatch(proposals.levels),
        count: Tensor::from_dispatch(proposals.count),
    }
}

/// [`Proposals`] on one backend.
#[derive(ExtensionType)]
pub struct ProposalTensors<B: Backend> {
    /// See [`Proposals::boxes`].
    pub boxes: FloatTensor<B>,
    /// See [`Proposals::levels`].
    pub levels: IntTensor<B>,
    /// See [`Proposals::count`].
    pub count: IntTensor<B>,
}

/// Backends that can run [`select_proposals`].
#[backend_extension(Flex, Capture)]
pub trait ProposalOps: Backend {
    /// See [`select_proposals`].
    fn select_proposals(
        #[extension_type] logits: Levels5<Self>,
        #[extension_type] deltas: Levels5<Self>,
        frame: FloatTensor<Self>,
        options: ProposalOptions,
    ) -> ProposalTensors<Self>;
}

impl ProposalOps for Flex {
    fn select_proposals(
        logits: Levels5<Self>,
        deltas: Levels5<Self>,
        frame: FloatTensor<Self>,
        options: ProposalOptions,
    ) -> ProposalTensors<Self> {
        let logits = logits.into_array().map(flex::contiguous);
        let deltas = deltas.into_array().map(flex::contiguous);
        let frame = flex::contiguous(frame);
        let frame = flex::values::<f32>(&frame);
        let (boxes, levels) = select(
            &logits.each_ref().map(flex::map),
            &deltas.each_ref().map(flex::map),
            [frame[0], frame[1]],
            options,
        );
        let count = boxes.len();
        ProposalTensors {
            boxes: flex::tensor(boxes.into_flattened(), [count, 4]),
            levels: flex::tensor(levels, [count]),
            count: flex::tensor(vec![count as i32], [1]),
        }
    }
}

impl ProposalOps for Capture {
    fn select_proposals(
        logits: Levels5<Self>,
        deltas: Levels5<Self>,
        frame: FloatTensor<Self>,
        options: ProposalOptions,
    ) -> ProposalTensors<Self> {
        let inputs = logits
            .into_array()
            .into_iter()
            .chain(deltas.into_array())
            .chain([frame])
            .collect();
        let outputs = [
            (Shape::from([options.limit, 4]), DType::F32),
            (Shape::from([options.limit]), DType::I32),
            (Shape::from([1]), DType::I32),
        ];
        let [boxes, levels, count] =
            record(SelectProposals.id(), inputs, options.to_scalars(), outputs);
        ProposalTensors {
            boxes,
            levels,
            count,
        }
    }
}

/// [`select_proposals`] in the compiler's hands.
pub(super) struct SelectProposals;

impl Operation for SelectProposals {
    fn id(&self) -> &'static str {
        "fpn::select_proposals"
    }

    fn stage(&self) -> Option<Stage> {
        Some(Stage::Proposals)
    }

    fn signature(&self, inputs: usize) -> (Vec<ValueKind>, Vec<ValueKind>) {
        let mut kinds = vec![ValueKind::Floats; inputs.saturating_sub(1)];
        kinds.push(ValueKind::Frame);
        let made = [ValueKind::Floats, ValueKind::Integers, ValueKind::Integers];
        (kinds, made.to_vec())
    }

    fn check(
        &self,
        scalars: &[ScalarIr],
        inputs: &[&Value],
        outputs: &[&Value],
    ) -> Result<(), String> {
        let options = ProposalOptions::from_scalars(scalars);
        let maps = &inputs[..inputs.len() - 1];
        one_picture(maps)?;
        if maps.is_empty() || !maps.len().is_multiple_of(2) {
            return Err(format!(
                "it reads {} maps, where two a level are expected",
                maps.len()
            ));
        }
        let made: Vec<&[usize]> = outputs.iter().map(|output| &*output.shape).collect();
        let limit = options.limit;
        if made != [&[limit, 4][..], &[limit], &[1]] {
            return Err(format!(
                "it makes {made:?}, where [{limit}, 4], [{limit}] and [1] follow"
            ));
        }
        if options.per_level > nms_levels::MAX_SLOTS {
            return Err(format!(
                "it takes {} anchors a level, where at most {} are known",
                options.per_level,
                nms_levels::MAX_SLOTS
            ));
        }
        let (logits, deltas) = maps.split_at(maps.len() / 2);
        let slots = logits.len() * options.per_level;
        if options.limit > slots {
            return Err(format!(
                "it gives {} proposals, where there are at most {slots}",
                options.limit
            ));
        }
        for (logits, deltas) in logits.iter().zip(deltas) {
            let [anchors, height, width] = logits.map();
            if anchors != decode_proposals::ANCHORS || deltas.map() != [4 * anchors, height, width]
            {
                return Err(format!(
                    "it reads logits {:?} and deltas {:?}, where {} anchors a cell are known",
                    logits.shape,
                    deltas.shape,
                    decode_proposals::ANCHORS
                ));
            }
        }
        Ok(())
    }

    fn schedule(&self, arguments: Arguments<'_>, plan: &mut PlanBuilder<'_>) {
        let options = ProposalOptions::from_scalars(arguments.scalars);
        let maps = &arguments.inputs[..arguments.inputs.len() - 1];
        let (logits, deltas) = maps.split_at(maps.len() / 2);
        let [boxes, levels, count] = arguments.outputs[..] else {
            unreachable!("proposal selection has three outputs")
        };
        let slots = logits.len() * options.per_level;
        let slot_boxes = plan.temporary(slots * 16);
        let slot_keys = plan.temporary(slots * 4);
        for (level, maps) in logits.iter().zip(deltas).enumerate() {
            let maps = [*maps.0, *maps.1];
            schedule_level(options, level, maps, [slot_boxes, slot_keys], boxes, plan);
        }
        let suppression = nms_levels::Params {
            limit: options.per_level as u32,
            threshold: options.nms_threshold,
            ..Default::default()
        };
        plan.push(Draft::step(
            "suppression",
            suppression.dispatch(logits.len()),
            [slot_boxes, slot_keys],
            boxes,
        ));
        let merge = merge_proposals::Params {
            slots: slots as u32,
            slots_a_level: options.per_level as u32,
            limit: options.limit as u32,
            ..Default::default()
        };
        let [proposals, levels, count] = plan.operands([boxes, levels, count]);
        let operands = [slot_boxes, slot_keys, proposals, levels, count];
        plan.push(Draft::making(
            "proposals",
            merge.dispatch(),
            operands,
            boxes,
        ));
    }

    #[cfg(feature = "verify")]
    fn replay(&self, call: &CustomOpIr, tensors: &mut Handles) {
        let mut inputs = call
            .inputs
            .iter()
            .map(|input| tensors.get_float_tensor::<Flex>(input));
        let mut levels = || {
            Levels5::from_array(std::array::from_fn(|_| {
                inputs.next().expect("there are ten maps and the frame")
            }))
        };
        let (logits, deltas) = (levels(), levels());
        let frame = inputs.next().expect("the frame is the last");
        let options = ProposalOptions::from_scalars(&call.scalars);
        let found = Flex::select_proposals(logits, deltas, frame, options);
        let [boxes, levels, count] = &call.outputs[..] else {
            unreachable!("proposal selection has three outputs")
        };
        tensors.register_float_tensor::<Flex>(&boxes.id, found.boxes);
        tensors.register_int_tensor::<Flex>(&levels.id, found.levels);
        tensors.register_int_tensor::<Flex>(&count.id, found.count);
    }
}

/// The slots of one level, filled: its best anchors, then their boxes in order.
fn schedule_level(
    options: ProposalOptions,
    level: usize,
    [logits, deltas]: [ValueId; 2],
    [slot_boxes, slot_keys]: [Operand; 2],
    boxes: ValueId,
    plan: &mut PlanBuilder<'_>,
) {
    let [anchors, height, width] = plan.map(logits);
    let chosen = plan.temporary((1 + options.per_level) * 4);
    let [logit_map, delta_map] = plan.operands([logits, deltas]);
    let choice = top_anchors::Params {
        cells: (height * width) as u32,
        anchors: anchors as u32,
        pitch: plan.pitch(logits) as u32,
        limit: options.per_level as u32,
    };
    let name = format!("P{} top anchors", level + 2);
    let draft = Draft::step(name, choice.dispatch(), [logit_map, chosen], boxes);
    plan.push(draft.waiting(choice.waits()));

    let grid = AnchorGrid::pyramid(options.anchor_size);
    let stride = [options.padded[0] / height, options.padded[1] / width];
    let decode = decode_proposals::Params {
        anchors: [0, 1, 2].map(|a| grid.anchor(level, a, [0, 0], stride)),
        size: words([height, width]),
        stride: words(stride),
        logit_pitch: plan.pitch(logits) as u32,
        delta_pitch: plan.pitch(deltas) as u32,
        limit: options.per_level as u32,
        first_slot: (level * options.per_level) as u32,
        min_side: options.min_side,
        ..Default::default()
    };
    let operands = [
        Operand::Frame,
        logit_map,
        delta_map,
        chosen,
        slot_boxes,
        slot_keys,
    ];
    let name = format!("P{} proposals", level + 2);
    plan.push(Draft::step(name, decode.dispatch(), operands, boxes));
}

/// What the CPU engine does for [`select_proposals`]: boxes and their levels. `resized` is the unpadded picture's
/// height and width.
pub fn select(
    logits: &[Map<'_>; 5],
    deltas: &[Map<'_>; 5],
    resized: [f32; 2],
    options: ProposalOptions,
) -> (Vec<BBox>, Vec<i32>) {
    let grid = AnchorGrid::pyramid(options.anchor_size);
    let mut kept: Vec<(f32, BBox, i32)> = Vec::new();
    for level in 0..logits.len() {
        let mut scored: Vec<(f32, BBox)> = top_anchors(&logits[level], options.per_level)
            .into_iter()
            .map(|anchor| {
                let bbox = decode_anchor(&grid, level, anchor, &deltas[level], options.padded);
                (anchor.logit, clip(bbox, resized))
            })
            .collect();
        scored.retain(|(_, bbox)| is_at_least(*bbox, options.min_side));
        let boxes: Vec<BBox> = scored.iter().map(|(_, bbox)| *bbox).collect();
        let survivors = nms(&boxes, |_| 0, options.nms_threshold, options.limit);
        kept.extend(survivors.into_iter().map(|index| {
            let (logit, bbox) = scored[index];
            (logit, bbox, level as i32 + 2)
        }));
    }
    // Stable, so that ties stay in the order of level and anchor.
    kept.sort_by(|a, b| b.0.total_cmp(&a.0));
    kept.truncate(options.limit);
    kept.into_iter()
        .map(|(_, bbox, level)| (bbox, level))
        .unzip()
}

/// One anchor of a level's map.
#[derive(Clone, Copy)]
struct ScoredAnchor {
    logit: f32,
    /// Flat index of the cell, `y · W + x`.
    cell: usize,
    /// Which of the cell's anchors.
    a: usize,
}

/// The `limit` anchors with the highest logits, best first, ties in the order of cell and anchor.
/// NaN logits are not taken.
fn top_anchors(logits: &Map<'_>, limit: usize) -> Vec<ScoredAnchor> {
    let anchors = logits.shape[0];
    let mut scored: Vec<ScoredAnchor> = (0..logits.cells())
        .flat_map(|cell| (0..anchors).map(move |a| (cell, a)))
        .map(|(cell, a)| ScoredAnchor {
            // -0 is no less than 0.
            logit: logits.at(a, cell) + 0.0,
            cell,
            a,
        })
        .filter(|anchor| !anchor.logit.is_nan())
        .collect();
    let order = |x: &ScoredAnchor, y: &ScoredAnchor| {
        y.logit
            .total_cmp(&x.logit)
            .then((x.cell, x.a).cmp(&(y.cell, y.a)))
    };
    if scored.len() > limit {
        scored.select_nth_unstable_by(limit, order);
        scored.truncate(limit);
    }
    scored.sort_unstable_by(order);
    scored
}

fn decode_anchor(
    grid: &AnchorGrid,
    level: usize,
    anchor: ScoredAnchor,
    deltas: &Map<'_>,
    padded: [usize; 2],
) -> BBox {
    let [_, height, width] = deltas.shape;
    let stride = [padded[0] / height, padded[1] / width];
    let cell = [anchor.cell / width, anchor.cell % width];
    let start = grid.anchor(level, anchor.a, cell, stride);
    let channel = 4 * anchor.a;
    let deltas = [0, 1, 2, 3].map(|k| deltas.at(channel + k, anchor.cell));
    decode(start, deltas, [1.0; 4])
}
