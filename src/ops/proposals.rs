//! Proposal selection: from the RPN's raw maps to the boxes worth a second look, as torchvision's
//! `RegionProposalNetwork.filter_proposals`.

use burn::backend::tensor::{FloatTensor, IntTensor};
use burn::backend::{Backend, Capture, Dispatch, ExtensionType, Flex, backend_extension};
use burn::tensor::{DType, Int, Shape, Tensor};
use burn_ir::ScalarIr;

#[cfg(feature = "verify")]
use burn_ir::CustomOpIr;

use super::anchors::{AnchorGrid, AnchorLevel, AnchorPlace};
use super::capture::{record, size};
#[cfg(feature = "verify")]
use super::flex::Handles;
use super::flex::{self, Map};
use super::levels::{self, Levels};
use super::operation::{Arguments, Operation, one_picture};
use crate::boxes::{BBox, Edges, Fate, Reason, is_at_least, suppress};
use crate::kernels::{anchors, decode_proposals, merge_proposals, nms_levels, top_anchors, words};
use crate::plan::{Draft, Operand, PlanBuilder, Value, ValueId, ValueKind};
use crate::stage::Stage;

/// What the RPN head says of each level, finest first, with A anchors a cell.
pub struct RpnMaps {
    /// Objectness, `[1, A, H, W]` a level: logits, or anything else that is higher for better anchors.
    pub logits: Vec<Tensor<4>>,
    /// Box deltas, `[1, 4A, H, W]` a level: dx, dy, dw, dh of anchor 0, then of anchor 1, …
    pub deltas: Vec<Tensor<4>>,
}

impl RpnMaps {
    /// Height and width of each level's maps.
    pub fn sizes(&self) -> Vec<[usize; 2]> {
        levels::sizes(&self.logits)
    }

    /// The highest of each cell's logits, `[1, 1, H, W]` a level.
    pub fn best_logits(&self) -> Vec<Tensor<4>> {
        let logits = self.logits.iter();
        logits.map(|logits| logits.clone().max_dim(1)).collect()
    }
}

/// Boxes that may hold an object.
#[derive(Clone)]
pub struct Proposals {
    /// `[R, 4]` in pixels of the resized picture, best first.
    pub boxes: Tensor<2>,
    /// `[R]`, the number of the level (2 for P2) whose anchor each started from.
    pub levels: Tensor<1, Int>,
    /// `[1]`, how many rows are meant.
    pub count: Tensor<1, Int>,
}

/// What [`select_proposals`] goes by.
#[derive(Clone, Debug, PartialEq)]
pub struct ProposalOptions {
    /// Where boxes start from.
    pub anchors: AnchorGrid,
    /// Best anchors taken from each level.
    pub per_level: usize,
    /// Best boxes kept over all levels.
    pub limit: usize,
    /// Overlap above which the weaker of two boxes of a level falls.
    pub nms_threshold: f32,
    /// Least side in pixels.
    pub min_side: f32,
    /// Logit that an anchor has at least.
    pub min_logit: f32,
    /// Of anchors and boxes.
    pub edges: Edges,
}

impl ProposalOptions {
    /// torchvision's at inference.
    pub fn torchvision(anchors: AnchorGrid) -> Self {
        Self {
            anchors,
            per_level: 1000,
            limit: 1000,
            nms_threshold: 0.7,
            min_side: 1e-3,
            min_logit: f32::MIN,
            edges: Edges::Exclusive,
        }
    }

    /// detectron2's at inference.
    pub fn detectron2(anchors: AnchorGrid) -> Self {
        Self {
            // More than nothing.
            min_side: f32::MIN_POSITIVE,
            ..Self::torchvision(anchors)
        }
    }

    /// The first Faster R-CNN's at inference.
    pub fn legacy(anchors: AnchorGrid) -> Self {
        Self {
            anchors,
            per_level: 6000,
            limit: 300,
            nms_threshold: 0.7,
            min_side: 0.0,
            min_logit: f32::MIN,
            edges: Edges::Inclusive,
        }
    }

    fn to_scalars(&self) -> Vec<ScalarIr> {
        let own = [
            ScalarIr::UInt(self.per_level as u64),
            ScalarIr::UInt(self.limit as u64),
            ScalarIr::Float(self.nms_threshold.into()),
            ScalarIr::Float(self.min_side.into()),
            ScalarIr::Float(self.min_logit.into()),
            ScalarIr::UInt(self.edges.word().into()),
        ];
        own.into_iter().chain(self.anchors.to_scalars()).collect()
    }

    /// As a captured graph holds them.
    pub(crate) fn from_scalars(scalars: &[ScalarIr]) -> Self {
        Self {
            per_level: size(scalars[0]),
            limit: size(scalars[1]),
            nms_threshold: scalars[2].elem(),
            min_side: scalars[3].elem(),
            min_logit: scalars[4].elem(),
            edges: Edges::of_word(scalars[5].elem()),
            anchors: AnchorGrid::from_scalars(&scalars[6..]),
        }
    }
}

/// Per level: the best anchors by logit (ties: the earlier one), decoded, clipped to the unpadded
/// picture, without the tiny and the unlikely ones, through NMS; then the best of all levels by logit (ties: the
/// finer level, the earlier anchor).
///
/// `frame` is [`Frame::tensor`](crate::transform::Frame::tensor).
///
/// # Panics
/// If there are not two maps for each level of the anchors.
pub fn select_proposals(maps: RpnMaps, frame: Tensor<1>, options: ProposalOptions) -> Proposals {
    let levels = options.anchors.levels.len();
    assert_eq!(
        [maps.logits.len(), maps.deltas.len()],
        [levels; 2],
        "proposals are made of logits and deltas of each level that has anchors"
    );
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
        #[extension_type] logits: Levels<Self>,
        #[extension_type] deltas: Levels<Self>,
        frame: FloatTensor<Self>,
        options: ProposalOptions,
    ) -> ProposalTensors<Self>;
}

impl ProposalOps for Flex {
    fn select_proposals(
        logits: Levels<Self>,
        deltas: Levels<Self>,
        frame: FloatTensor<Self>,
        options: ProposalOptions,
    ) -> ProposalTensors<Self> {
        let [logits, deltas] = [logits, deltas].map(flex::contiguous_levels);
        let frame = flex::contiguous(frame);
        let frame = flex::values::<f32>(&frame);
        let (boxes, levels) = select(
            &flex::map_levels(&logits),
            &flex::map_levels(&deltas),
            [frame[0], frame[1]],
            &options,
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
        logits: Levels<Self>,
        deltas: Levels<Self>,
        frame: FloatTensor<Self>,
        options: ProposalOptions,
    ) -> ProposalTensors<Self> {
        let maps = logits.0.into_iter().chain(deltas.0);
        let inputs = maps.chain([frame]).collect();
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
pub(crate) struct SelectProposals;

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
        options.anchors.check(logits.len())?;
        let levels = options.anchors.levels.iter();
        for ((logits, deltas), level) in logits.iter().zip(deltas).zip(levels) {
            let [anchors, height, width] = logits.map();
            let expected = level.cell.len();
            if anchors != expected || deltas.map() != [4 * expected, height, width] {
                return Err(format!(
                    "it reads logits {:?} and deltas {:?}, where there are {expected} anchors a cell",
                    logits.shape, deltas.shape,
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
            schedule_level(&options, level, maps, [slot_boxes, slot_keys], boxes, plan);
        }
        let suppression = nms_levels::Params {
            limit: options.per_level as u32,
            threshold: options.nms_threshold,
            edges: options.edges.word(),
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
            first_level: options.anchors.first_level as u32,
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
        let options = ProposalOptions::from_scalars(&call.scalars);
        let levels = options.anchors.levels.len();
        let logits = Levels(inputs.by_ref().take(levels).collect());
        let deltas = Levels(inputs.by_ref().take(levels).collect());
        let frame = inputs.next().expect("the frame is the last");
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
    options: &ProposalOptions,
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
    let number = options.anchors.number(level);
    let name = format!("P{number} top anchors");
    let draft = Draft::step(name, choice.dispatch(), [logit_map, chosen], boxes);
    plan.push(draft.waiting(choice.waits()));

    let AnchorLevel { stride, cell } = &options.anchors.levels[level];
    let decode = decode_proposals::Params {
        anchors: anchors::of_cell(cell),
        size: words([height, width]),
        stride: words(*stride),
        logit_pitch: plan.pitch(logits) as u32,
        delta_pitch: plan.pitch(deltas) as u32,
        limit: options.per_level as u32,
        first_slot: (level * options.per_level) as u32,
        min_side: options.min_side,
        min_logit: options.min_logit,
        edges: options.edges.word(),
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
    let name = format!("P{number} proposals");
    plan.push(Draft::step(name, decode.dispatch(), operands, boxes));
}

/// What the CPU engine does for [`select_proposals`]: boxes and their levels. `resized` is the unpadded picture's
/// height and width.
pub fn select(
    logits: &[Map<'_>],
    deltas: &[Map<'_>],
    resized: [f32; 2],
    options: &ProposalOptions,
) -> (Vec<BBox>, Vec<i32>) {
    let chosen = trace(logits, deltas, resized, options);
    let kept = chosen.iter().filter_map(|anchor| match anchor.fate {
        Fate::Kept(rank) => Some((rank, anchor)),
        _ => None,
    });
    let mut kept: Vec<(usize, &ChosenAnchor)> = kept.collect();
    kept.sort_unstable_by_key(|(rank, _)| *rank);
    let number = |anchor: &ChosenAnchor| options.anchors.number(anchor.place.level) as i32;
    kept.into_iter()
        .map(|(_, anchor)| (anchor.bbox, number(anchor)))
        .unzip()
}

/// An anchor that is among the best of its level.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ChosenAnchor {
    /// Which.
    pub place: AnchorPlace,
    /// What the maps say of it.
    pub logit: f32,
    /// The box that is made of it, cut to the picture, in pixels of the resized one.
    pub bbox: BBox,
    /// What becomes of the box, by the order of [`trace`] and of the proposals.
    pub fate: Fate,
}

/// What becomes of each level's best anchors in [`select`], best first within a level.
pub fn trace(
    logits: &[Map<'_>],
    deltas: &[Map<'_>],
    resized: [f32; 2],
    options: &ProposalOptions,
) -> Vec<ChosenAnchor> {
    let mut chosen: Vec<ChosenAnchor> = Vec::new();
    let mut survivors: Vec<usize> = Vec::new();
    for level in 0..logits.len() {
        let best = top_anchors(&logits[level], level, options.per_level);
        let first = chosen.len();
        chosen.extend(best.into_iter().map(|(place, logit)| {
            let bbox = decode_anchor(options, place, &deltas[level]);
            let bbox = options.edges.clip(bbox, resized);
            let reason = match (
                logit >= options.min_logit,
                is_at_least(bbox, options.min_side),
            ) {
                (false, _) => Reason::Unlikely,
                (_, false) => Reason::TooSmall,
                (true, true) => Reason::Limit,
            };
            ChosenAnchor {
                place,
                logit,
                bbox,
                fate: Fate::Dropped(reason),
            }
        }));
        let is_rival = |&index: &usize| chosen[index].fate == Fate::Dropped(Reason::Limit);
        let rivals: Vec<usize> = (first..chosen.len()).filter(is_rival).collect();
        let boxes: Vec<BBox> = rivals.iter().map(|&index| chosen[index].bbox).collect();
        let (threshold, limit) = (options.nms_threshold, options.limit);
        let fates = suppress(&boxes, options.edges, |_| 0, threshold, limit);
        for (&index, fate) in rivals.iter().zip(fates) {
            match fate {
                Fate::Kept(_) => survivors.push(index),
                Fate::Suppressed { by, overlap } => {
                    let by = rivals[by];
                    chosen[index].fate = Fate::Suppressed { by, overlap };
                }
                Fate::Dropped(_) => {}
            }
        }
    }
    // Stable, so that ties stay in the order of level and anchor.
    survivors.sort_by(|&a, &b| chosen[b].logit.total_cmp(&chosen[a].logit));
    for (rank, index) in survivors.into_iter().take(options.limit).enumerate() {
        chosen[index].fate = Fate::Kept(rank);
    }
    chosen
}

/// The `limit` anchors of a level with the highest logits, best first, ties in the order of cell and anchor.
/// NaN logits are not taken.
fn top_anchors(logits: &Map<'_>, level: usize, limit: usize) -> Vec<(AnchorPlace, f32)> {
    let [anchors, _, width] = logits.shape;
    let mut scored: Vec<(f32, usize, usize)> = (0..logits.cells())
        .flat_map(|cell| (0..anchors).map(move |a| (cell, a)))
        // -0 is no less than 0.
        .map(|(cell, a)| (logits.at(a, cell) + 0.0, cell, a))
        .filter(|(logit, ..)| !logit.is_nan())
        .collect();
    let order = |x: &(f32, usize, usize), y: &(f32, usize, usize)| {
        y.0.total_cmp(&x.0).then((x.1, x.2).cmp(&(y.1, y.2)))
    };
    if scored.len() > limit {
        scored.select_nth_unstable_by(limit, order);
        scored.truncate(limit);
    }
    scored.sort_unstable_by(order);
    let placed = scored.into_iter().map(|(logit, cell, a)| {
        let cell = [cell / width, cell % width];
        (AnchorPlace { level, cell, a }, logit)
    });
    placed.collect()
}

fn decode_anchor(options: &ProposalOptions, place: AnchorPlace, deltas: &Map<'_>) -> BBox {
    let [y, x] = place.cell;
    let cell = y * deltas.shape[2] + x;
    let deltas = [0, 1, 2, 3].map(|k| deltas.at(4 * place.a + k, cell));
    options
        .edges
        .decode(options.anchors.at(place), deltas, [1.0; 4])
}
