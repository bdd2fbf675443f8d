//! From values and dispatches to a plan: which activation each value has, and for how long.

use std::collections::BTreeMap;

use super::check::check;
use super::{
    Binding, Constant, ConstantSource, DetectionsLayout, InstanceKind, Lifetime, MapInfo, MapSlot,
    Output, Plan, PlanError, ProposalsSlot, Step, TensorConstant, TensorSlot, Value, ValueId,
    ValueKind, place,
};
use crate::kernels::{Dispatch, Dtype, Dtypes, Layout, blocks, check_finite, copy};
use crate::stage::Stage;

/// Something a step touches, before activations have their places.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operand {
    /// The picture's sizes.
    Frame,
    /// The picture.
    Picture,
    /// A constant, by index.
    Constant(usize),
    /// An activation, by index.
    Activation(usize),
    /// The read-back.
    Results,
}

/// A step before its activations have their places.
#[derive(Clone, Debug)]
pub struct Draft {
    /// See [`Step::name`].
    pub name: String,
    /// The shader, its parameters and workgroups.
    pub dispatch: Dispatch,
    /// What is bound, from binding 1 on.
    pub operands: Vec<Operand>,
    /// The value that is made, or that this is a step on the way to.
    pub value: ValueId,
    /// Whether the value is made when this step is done.
    pub makes: bool,
    /// Shape of what the step makes, where that is not the value's.
    pub output: Option<Vec<usize>>,
    /// See [`Step::flop`].
    pub flop: u64,
    /// See [`Step::waits`].
    pub waits: u64,
}

impl Draft {
    /// A step on the way to a value.
    pub fn step(
        name: impl Into<String>,
        dispatch: Dispatch,
        operands: impl Into<Vec<Operand>>,
        value: ValueId,
    ) -> Self {
        Self {
            makes: false,
            ..Self::making(name, dispatch, operands, value)
        }
    }

    /// The step that makes a value.
    pub fn making(
        name: impl Into<String>,
        dispatch: Dispatch,
        operands: impl Into<Vec<Operand>>,
        value: ValueId,
    ) -> Self {
        Self {
            name: name.into(),
            dispatch,
            operands: operands.into(),
            value,
            makes: true,
            output: None,
            flop: 0,
            waits: 0,
        }
    }

    /// With the shape of what it makes, where that is not the value's.
    pub fn shaped(self, output: Vec<usize>) -> Self {
        Self {
            output: Some(output),
            ..self
        }
    }

    /// With its floating-point operations.
    pub fn computing(self, flop: u64) -> Self {
        Self { flop, ..self }
    }

    /// With its accesses to memory that wait for each other.
    pub fn waiting(self, waits: u64) -> Self {
        Self { waits, ..self }
    }
}

/// An output, by its values.
#[derive(Clone, Debug)]
enum Kept {
    Map(MapInfo, ValueId),
    Tensor(String, ValueId),
    Proposals([ValueId; 3]),
    Detections(DetectionsLayout),
    Instances(InstanceKind, ValueId),
}

/// A draft with its stage.
struct Staged {
    draft: Draft,
    stage: Stage,
}

/// Collects a plan's steps, in the order of execution.
pub struct PlanBuilder<'a> {
    values: &'a [Value],
    sources: &'a BTreeMap<ValueId, ConstantSource>,
    dtypes: Vec<Dtype>,
    /// The stage of the steps that come next.
    stage: Stage,
    /// The stage that made each value.
    stages: Vec<Stage>,
    /// The activation of each value that has one.
    activations: Vec<Option<usize>>,
    /// Bytes of each activation.
    sizes: Vec<usize>,
    steps: Vec<Staged>,
    constants: Vec<Constant>,
    /// Tensors that are there before the first step.
    inputs: Vec<ValueId>,
    kept: Vec<Kept>,
}

impl<'a> PlanBuilder<'a> {
    /// Over some values, those of which that are constants, and what each is stored in.
    pub fn new(
        values: &'a [Value],
        sources: &'a BTreeMap<ValueId, ConstantSource>,
        dtypes: Vec<Dtype>,
    ) -> Self {
        Self {
            values,
            sources,
            dtypes,
            stage: Stage::Preprocess,
            stages: vec![Stage::Preprocess; values.len()],
            activations: vec![None; values.len()],
            sizes: Vec::new(),
            steps: Vec::new(),
            constants: Vec::new(),
            inputs: Vec::new(),
            kept: Vec::new(),
        }
    }

    /// A value's shape, as Burn has it.
    pub fn shape(&self, value: ValueId) -> &'a [usize] {
        &self.values[value.0].shape
    }

    /// How a tensor lies in memory.
    pub fn layout(&self, value: ValueId) -> Layout {
        self.values[value.0].layout()
    }

    /// Channels, height and width of a map, or a matrix' columns, 1 and its rows.
    pub fn map(&self, value: ValueId) -> [usize; 3] {
        self.values[value.0].map()
    }

    /// Items of a map; a matrix is one.
    pub fn items(&self, value: ValueId) -> usize {
        self.values[value.0].items()
    }

    /// Height and width of a map.
    pub fn size_of(&self, value: ValueId) -> [usize; 2] {
        let [_, height, width] = self.map(value);
        [height, width]
    }

    /// Floats between the cells of a map, or between the rows of a matrix.
    pub fn pitch(&self, value: ValueId) -> usize {
        4 * blocks(self.map(value)[0])
    }

    /// What a value is stored in.
    pub fn dtype(&self, value: ValueId) -> Dtype {
        self.dtypes[value.0]
    }

    /// The dtypes of a kernel that makes one map of another.
    pub fn dtypes(&self, input: ValueId, output: ValueId) -> Dtypes {
        Dtypes::stored(self.dtype(input), self.dtype(output))
    }

    /// The stage that made a value.
    pub fn stage_of(&self, value: ValueId) -> Stage {
        self.stages[value.0]
    }

    /// The steps that come next are of this stage, and make these values.
    pub fn enter(&mut self, stage: Stage, outputs: &[ValueId]) {
        self.stage = stage;
        for output in outputs {
            self.stages[output.0] = stage;
        }
    }

    /// Memory for the steps of one operation.
    pub fn temporary(&mut self, bytes: usize) -> Operand {
        self.sizes.push(bytes);
        Operand::Activation(self.sizes.len() - 1)
    }

    /// The memory of a value, made when it is first asked for.
    pub fn operand(&mut self, id: ValueId) -> Operand {
        let value = &self.values[id.0];
        if value.kind == ValueKind::Frame {
            return Operand::Frame;
        }
        if let Some(source) = self.sources.get(&id) {
            return self.constant(Constant::Tensor(TensorConstant {
                source: source.clone(),
                inner: value.inner,
                dtype: self.dtypes[id.0],
            }));
        }
        let bytes = bytes_of(value, self.dtypes[id.0]);
        let index = match self.activations[id.0] {
            Some(index) => index,
            None => {
                self.sizes.push(bytes);
                self.sizes.len() - 1
            }
        };
        self.activations[id.0] = Some(index);
        Operand::Activation(index)
    }

    /// The memory of values, in order.
    pub fn operands<const N: usize>(&mut self, values: [ValueId; N]) -> [Operand; N] {
        values.map(|value| self.operand(value))
    }

    /// A tensor is there before the first step.
    pub fn input(&mut self, tensor: ValueId) {
        self.operand(tensor);
        self.inputs.push(tensor);
    }

    /// A value is another one seen otherwise, in the same memory; whether it can be, which a constant cannot.
    pub fn alias(&mut self, value: ValueId, of: ValueId) -> bool {
        let Operand::Activation(index) = self.operand(of) else {
            return false;
        };
        self.activations[value.0] = Some(index);
        true
    }

    /// A constant, which other layers may share.
    pub fn constant(&mut self, constant: Constant) -> Operand {
        let known = self.constants.iter().position(|other| *other == constant);
        Operand::Constant(known.unwrap_or_else(|| {
            self.constants.push(constant);
            self.constants.len() - 1
        }))
    }

    /// A step that makes a value, or helps to make it.
    pub fn push(&mut self, mut draft: Draft) {
        self.copy_repeated(&mut draft);
        let stage = self.stage;
        self.steps.push(Staged { draft, stage });
    }

    /// One buffer must not be bound twice in a dispatch where it may be written: what a step reads a
    /// second time is a copy.
    fn copy_repeated(&mut self, draft: &mut Draft) {
        for index in 1..draft.operands.len() {
            let Operand::Activation(activation) = draft.operands[index] else {
                continue;
            };
            if !draft.operands[..index].contains(&draft.operands[index]) {
                continue;
            }
            let bytes = self.sizes[activation];
            let copied = self.temporary(bytes);
            let shader = draft.dispatch.shader;
            let dtype = shader.kernel.roles[index].dtype(shader.dtypes);
            let copy = copy::Params::new(bytes.div_ceil(dtype.block_bytes()));
            let copy = copy.dispatch(Dtypes::stored(dtype, dtype));
            let name = format!("{} copy", draft.name);
            let operands = [draft.operands[index], copied];
            self.push(Draft::step(name, copy, operands, draft.value));
            draft.operands[index] = copied;
        }
    }

    /// A check that a map or rows hold neither NaN nor infinities, of the stage that made them.
    pub fn check_finite(&mut self, value: ValueId) {
        let dtype = self.dtype(value);
        let blocks = bytes_of(&self.values[value.0], dtype) / dtype.block_bytes();
        let params = check_finite::Params {
            blocks: blocks as u32,
            ..Default::default()
        };
        let operands = [self.operand(value), Operand::Results];
        let draft = Draft::step("finite?", params.dispatch(dtype), operands, value);
        let stage = self.stage_of(value);
        self.steps.push(Staged { draft, stage });
    }

    /// A map is left behind.
    pub fn keep_map(&mut self, info: MapInfo, map: ValueId) {
        self.kept.push(Kept::Map(info, map));
    }

    /// A tensor is left behind.
    pub fn keep_tensor(&mut self, name: String, tensor: ValueId) {
        self.kept.push(Kept::Tensor(name, tensor));
    }

    /// Proposals are left behind: boxes, levels, count.
    pub fn keep_proposals(&mut self, proposals: [ValueId; 3]) {
        self.kept.push(Kept::Proposals(proposals));
    }

    /// Detections are left in the read-back.
    pub fn keep_detections(&mut self, layout: DetectionsLayout) {
        self.kept.push(Kept::Detections(layout));
    }

    /// What was found in detections is left behind.
    pub fn keep_instances(&mut self, kind: InstanceKind, rows: ValueId) {
        self.kept.push(Kept::Instances(kind, rows));
    }

    /// The plan over an input of `padded` height and width, in arenas of at most `arena_limit` bytes.
    ///
    /// # Errors
    /// If a step reads what no earlier one wrote: a fault of whoever scheduled it.
    pub fn finish(self, padded: [usize; 2], arena_limit: usize) -> Result<Plan, PlanError> {
        let (places, arenas, lower_bound) = place(&self.lifetimes(), arena_limit);
        let range = |value: ValueId| {
            let activation = self.activations[value.0];
            let activation = activation.ok_or_else(|| PlanError::output(value, self.values))?;
            Ok(places[activation])
        };
        let slot = |map: ValueId| {
            Ok(MapSlot {
                shape: self.map(map),
                dtype: self.dtype(map),
                range: range(map)?,
            })
        };
        let tensor = |value: ValueId| {
            Ok(TensorSlot {
                shape: self.shape(value).to_vec(),
                inner: self.values[value.0].inner,
                dtype: self.dtype(value),
                range: range(value)?,
            })
        };
        let inputs = self.inputs.iter().map(|input| tensor(*input));
        let outputs = self.kept.iter().map(|kept| {
            Ok(match kept {
                Kept::Map(info, map) => Output::Map(info.clone(), slot(*map)?),
                Kept::Tensor(name, value) => Output::Tensor(name.clone(), tensor(*value)?),
                Kept::Proposals([boxes, levels, count]) => Output::Proposals(ProposalsSlot {
                    limit: self.shape(*boxes)[0],
                    boxes: range(*boxes)?,
                    levels: range(*levels)?,
                    count: range(*count)?,
                }),
                Kept::Detections(layout) => Output::Detections(*layout),
                Kept::Instances(kind, rows) => Output::Instances(*kind, tensor(*rows)?),
            })
        });
        let bind = |operand: &Operand| match *operand {
            Operand::Frame => Binding::Frame,
            Operand::Picture => Binding::Picture,
            Operand::Constant(index) => Binding::Constant(index),
            Operand::Activation(index) => Binding::Arena(places[index]),
            Operand::Results => Binding::Results,
        };
        let step = |Staged { draft, stage }: &Staged| Step {
            name: draft.name.clone(),
            stage: *stage,
            shader: draft.dispatch.shader,
            params: draft.dispatch.params.clone(),
            bindings: draft.operands.iter().map(bind).collect(),
            workgroups: draft.dispatch.workgroups,
            value: draft.makes.then_some(draft.value),
            output: match &draft.output {
                Some(shape) => shape.clone(),
                None => self.shape(draft.value).to_vec(),
            },
            flop: draft.flop,
            waits: draft.waits,
        };
        let plan = Plan {
            padded,
            steps: self.steps.iter().map(step).collect(),
            inputs: inputs.collect::<Result<_, PlanError>>()?,
            outputs: outputs.collect::<Result<_, PlanError>>()?,
            constants: self.constants,
            arenas,
            lower_bound,
        };
        check(&plan)?;
        Ok(plan)
    }

    /// The steps that need each activation; what is left behind outlives them all.
    fn lifetimes(&self) -> Vec<Lifetime> {
        let end = self.steps.len().saturating_sub(1);
        let mut lifetimes: Vec<Lifetime> = (0..self.sizes.len())
            .map(|activation| {
                let touches = |step: &Staged| {
                    let operand = Operand::Activation(activation);
                    step.draft.operands.contains(&operand)
                };
                let first = self.steps.iter().position(touches).unwrap_or(0);
                Lifetime {
                    size: self.sizes[activation],
                    first,
                    last: self.steps.iter().rposition(touches).unwrap_or(first),
                }
            })
            .collect();
        for input in &self.inputs {
            if let Some(activation) = self.activations[input.0] {
                lifetimes[activation].first = 0;
            }
        }
        for kept in &self.kept {
            let values: &[ValueId] = match kept {
                Kept::Map(_, value) | Kept::Tensor(_, value) | Kept::Instances(_, value) => {
                    &[*value]
                }
                Kept::Proposals(values) => values,
                Kept::Detections(_) => &[],
            };
            for value in values {
                if let Some(activation) = self.activations[value.0] {
                    lifetimes[activation].last = end;
                }
            }
        }
        lifetimes
    }
}

/// Bytes of a value in memory.
fn bytes_of(value: &Value, dtype: Dtype) -> usize {
    match (value.kind, &*value.shape) {
        // The box and its landmarks, then score, label and level.
        (ValueKind::Candidates, [capacity, width]) => capacity * (blocks(*width) + 1) * 16,
        (ValueKind::Floats | ValueKind::Numbers, _) => {
            value.layout().all_blocks() * dtype.block_bytes()
        }
        (_, shape) => shape.iter().product::<usize>().next_multiple_of(4) * 4,
    }
}
