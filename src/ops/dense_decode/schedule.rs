//! Its steps: what scores enough is listed, a level's best where there is a limit, and then decoded.

#[cfg(feature = "verify")]
use burn::backend::Flex;
#[cfg(feature = "verify")]
use burn_ir::CustomOpIr;
use burn_ir::ScalarIr;

#[cfg(feature = "verify")]
use super::DenseDecodeOps;
use super::{DenseOptions, Heads};
use crate::kernels::top_scores::Source;
use crate::kernels::{anchors, decode_dense, top_scores, words};
use crate::ops::anchors::AnchorLevel;
use crate::ops::candidates::{self, CANDIDATES};
#[cfg(feature = "verify")]
use crate::ops::flex::Handles;
#[cfg(feature = "verify")]
use crate::ops::levels::Levels;
use crate::ops::operation::{Arguments, Operation, one_picture};
use crate::plan::{Draft, Operand, PlanBuilder, Value, ValueId, ValueKind};
use crate::stage::Stage;

/// Items of an invocation where a level gives so many at most: lists have room for all of theirs where there
/// is no limit, and so are short.
fn share(per_level: Option<usize>) -> usize {
    match per_level {
        Some(_) => 128,
        None => 16,
    }
}

/// Items of a workgroup, which fills a list.
fn stretch(per_level: Option<usize>) -> usize {
    256 * share(per_level)
}

/// [`decode_dense()`] in the compiler's hands.
pub(crate) struct DecodeDense;

impl Operation for DecodeDense {
    fn id(&self) -> &'static str {
        "fpn::decode_dense"
    }

    fn stage(&self) -> Option<Stage> {
        Some(Stage::Selection)
    }

    fn signature(&self, inputs: usize) -> (Vec<ValueKind>, Vec<ValueKind>) {
        let mut kinds = vec![ValueKind::Floats; inputs - 1];
        kinds.push(ValueKind::Frame);
        (kinds, CANDIDATES.to_vec())
    }

    fn check(
        &self,
        scalars: &[ScalarIr],
        inputs: &[&Value],
        outputs: &[&Value],
    ) -> Result<(), String> {
        let maps = &inputs[..inputs.len() - 1];
        one_picture(maps)?;
        candidates::check(outputs)?;
        let options = DenseOptions::from_scalars(scalars);
        let levels = options.anchors.levels.len();
        options.anchors.check(levels)?;
        if maps.len() < levels || !maps.len().is_multiple_of(levels) || maps.len() > 3 * levels {
            return Err(format!(
                "it reads {} maps, where one to three a level of {levels} are expected",
                maps.len()
            ));
        }
        let heads = Heads::of(maps, |map| map.map()[0], levels);
        for (level, AnchorLevel { cell, .. }) in options.anchors.levels.iter().enumerate() {
            let [channels, height, width] = heads.classes[level].map();
            let own = cell.len() * options.classes;
            let of_boxes = cell.len() * options.code.values();
            let expected = [
                own + if heads.is_behind { of_boxes } else { 0 },
                height,
                width,
            ];
            let first = options.first_box(level, heads.is_behind);
            let boxes = heads.boxes[level].map();
            let centre = heads.centreness.get(level).map(|map| map.map());
            let is_right = [channels, height, width] == expected
                && boxes == [first + of_boxes, height, width]
                && centre.is_none_or(|map| map == [1, height, width]);
            if !is_right {
                return Err(format!(
                    "it reads maps {:?}, {boxes:?} and {centre:?} of a level, where {own} channels of \
                     classes, {of_boxes} of boxes and 1 of centreness are expected",
                    [channels, height, width]
                ));
            }
        }
        Ok(())
    }

    fn schedule(&self, arguments: Arguments<'_>, plan: &mut PlanBuilder<'_>) {
        let options = DenseOptions::from_scalars(arguments.scalars);
        let maps = &arguments.inputs[..arguments.inputs.len() - 1];
        let levels = options.anchors.levels.len();
        let heads = Heads::of(maps, |map| plan.map(*map)[0], levels);
        let (rows, found) = (arguments.outputs[0], arguments.outputs[4]);
        for level in 0..levels {
            let number = options.anchors.number(level);
            let centreness = heads.centreness.get(level).copied();
            let classes = heads.classes[level];
            let lists = Lists::of_level(&options, level, (classes, centreness), rows, plan);
            let AnchorLevel { stride, cell } = &options.anchors.levels[level];
            let params = decode_dense::Params {
                anchors: anchors::of_cell(cell),
                size: words(plan.size_of(classes)),
                stride: words(*stride),
                extent: options.extent.unwrap_or([0; 2]).map(|side| side as f32),
                per_cell: cell.len() as u32,
                classes: options.classes as u32,
                first_label: options.first_label as u32,
                level: number as u32,
                box_pitch: plan.pitch(heads.boxes[level]) as u32,
                first_box: options.first_box(level, heads.is_behind) as u32,
                code: options.code.word(),
                bins: options.code.bins() as u32,
                lists: lists.count as u32,
                slots: lists.slots as u32,
                is_first: u32::from(level == 0),
                capacity: plan.shape(rows)[0] as u32,
                ..Default::default()
            };
            let [boxes, rows_at, found] = plan.operands([heads.boxes[level], rows, found]);
            let [scores, items, counts] = lists.memory;
            let operands = [Operand::Frame, boxes, scores, items, counts, rows_at, found];
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
        let (maps, frame) = call.inputs.split_at(call.inputs.len() - 1);
        let maps = maps.iter().map(|map| tensors.get_float_tensor::<Flex>(map));
        let maps = Levels(maps.collect());
        let frame = tensors.get_float_tensor::<Flex>(&frame[0]);
        let options = DenseOptions::from_scalars(&call.scalars);
        let candidates = <Flex as DenseDecodeOps>::decode_dense(maps, frame, options);
        candidates.register(&call.outputs, tensors);
    }
}

/// Lists of a level's items that score enough, in memory.
struct Lists {
    count: usize,
    /// Of each.
    slots: usize,
    /// Scores, items, and how many there are.
    memory: [Operand; 3],
}

impl Lists {
    /// Steps that list a level's items, from its maps of classes and, where there is one, centreness: one
    /// list where there is a limit.
    fn of_level(
        options: &DenseOptions,
        level: usize,
        (classes, centreness): (ValueId, Option<ValueId>),
        value: ValueId,
        plan: &mut PlanBuilder<'_>,
    ) -> Self {
        let [_, height, width] = plan.map(classes);
        let row = options.anchors.levels[level].cell.len() * options.classes;
        let items = height * width * row;
        let limit = options.per_level.unwrap_or(stretch(None)).min(items);
        let name = format!("P{} scores", options.anchors.number(level));
        let params = top_scores::Params {
            items: items as u32,
            share: share(options.per_level) as u32,
            row: row as u32,
            pitch: plan.pitch(classes) as u32,
            centre_pitch: centreness.map_or(0, |map| plan.pitch(map)) as u32,
            limit: limit as u32,
            score_threshold: options.score_threshold,
            unused: 0,
        };
        let mut operands = vec![plan.operand(classes)];
        operands.extend(centreness.map(|map| plan.operand(map)));
        let source = match centreness {
            None => Source::Plain,
            Some(_) => Source::Centred,
        };
        let mut lists = Self::listed(&name, params, source, operands, value, plan);
        while options.per_level.is_some() && lists.count > 1 {
            let params = top_scores::Params {
                items: (lists.count * lists.slots) as u32,
                row: lists.slots as u32,
                pitch: lists.slots as u32,
                ..params
            };
            let operands = lists.memory.to_vec();
            lists = Self::listed(&name, params, Source::Lists, operands, value, plan);
        }
        lists
    }

    /// A step that makes lists of what `operands` hold.
    fn listed(
        name: &str,
        params: top_scores::Params,
        source: Source,
        mut operands: Vec<Operand>,
        value: ValueId,
        plan: &mut PlanBuilder<'_>,
    ) -> Self {
        let (count, slots) = (params.lists() as usize, params.limit as usize);
        let memory = [count * slots, count * slots, count].map(|words| plan.temporary(words * 4));
        operands.extend(memory);
        let draft = Draft::step(name, params.dispatch(source), operands, value);
        plan.push(draft.waiting(params.waits()));
        Self {
            count,
            slots,
            memory,
        }
    }
}
