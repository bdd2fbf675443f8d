//! Operations that only show a tensor otherwise, and tensors put side by side.

use burn_ir::{BaseOperationIr, CatOpIr, PadModeIr, PadOpIr, SliceAssignOpIr, SliceOpIr, TensorIr};

use super::seen::{Seen, kind_of};
use super::{Lowered, Lowering};
use crate::compile::graph::{Node, Op};
use crate::kernels::chain::{Arg, Cut, Function, MOST_INPUTS, Padding, View, step, sums};
use crate::kernels::reduce::Reduction;
use crate::plan::ValueKind;

impl Lowering<'_> {
    pub(super) fn base(&mut self, operation: &BaseOperationIr) -> Lowered {
        use BaseOperationIr as Ir;
        match operation {
            Ir::Zeros(made) | Ir::Empty(made) => self.filled(&made.out, 0.0),
            Ir::Ones(made) => self.filled(&made.out, 1.0),
            Ir::Reshape(op) => self.reshape(&op.input, &op.out),
            Ir::SwapDims(op) => {
                let mut axes: Vec<usize> = (0..op.input.shape.num_dims()).collect();
                axes.swap(op.dim1, op.dim2);
                self.seen_as(&op.input, &op.out, |view| view.permute(axes))
            }
            Ir::Permute(op) => {
                self.seen_as(&op.input, &op.out, |view| view.permute(op.axes.clone()))
            }
            Ir::Flip(op) => {
                let shape = op.input.shape.to_vec();
                let cut = |(axis, extent): (usize, &usize)| match op.axes.contains(&axis) {
                    true => Cut {
                        start: extent - 1,
                        step: -1,
                    },
                    false => Cut::WHOLE,
                };
                let cuts = shape.iter().enumerate().map(cut).collect();
                self.seen_as(&op.input, &op.out, |view| view.slice(cuts, shape.clone()))
            }
            Ir::Expand(op) => {
                let shape = op.out.shape.to_vec();
                self.seen_as(&op.input, &op.out, |view| view.expand(&shape))
            }
            Ir::RepeatDim(op) => {
                let shape = op.out.shape.to_vec();
                self.seen_as(&op.tensor, &op.out, |view| view.tile(shape))
            }
            Ir::Slice(op) => self.slice(op),
            Ir::SliceAssign(op) => self.slice_assign(op),
            Ir::Cat(cat) => self.cat(cat),
            Ir::Cast(cast) if cast.input.dtype.is_float() == cast.out.dtype.is_float() => {
                self.same(&cast.input, &cast.out)
            }
            Ir::AllDim(op) => self.reduce_dimension(Reduction::Min, &op.input, op.axis, &op.out),
            Ir::AnyDim(op) => self.reduce_dimension(Reduction::Max, &op.input, op.axis, &op.out),
            Ir::All(op) => self.reduce_all(Reduction::Min, &op.input, &op.out),
            Ir::Any(op) => self.reduce_all(Reduction::Max, &op.input, &op.out),
            other => self.comparison(other),
        }
    }

    fn seen_as(
        &mut self,
        input: &TensorIr,
        output: &TensorIr,
        change: impl FnOnce(View) -> View,
    ) -> Lowered {
        let seen = self.seen(input)?.then(change);
        self.see(output, seen)
    }

    fn reshape(&mut self, input: &TensorIr, output: &TensorIr) -> Lowered {
        let seen = self.seen(input)?;
        let shape = output.shape.to_vec();
        let is_computed = !self.constants.contains_key(&seen.value);
        let is_map = self.values[seen.value.0].kind == ValueKind::Floats;
        // The flattening of maps, which a matrix product takes in.
        let flattens = match (seen.shape(), &shape[..]) {
            (&[items, channels, height, width], &[rows, columns]) => {
                items == rows && channels * height * width == columns
            }
            _ => false,
        };
        if flattens && is_computed && is_map && seen.view.is_identity() {
            let value = self.define(output.id, &shape, ValueKind::Floats);
            self.nodes.push(Node {
                op: Op::Flatten,
                inputs: vec![seen.value],
                outputs: vec![value],
            });
            return Ok(());
        }
        self.see(output, seen.then(|view| view.reshape(shape)))
    }

    fn slice(&mut self, op: &SliceOpIr) -> Lowered {
        let from = op.tensor.shape.to_vec();
        let shape = op.out.shape.to_vec();
        if shape.contains(&0) {
            return Err(format!("it makes a tensor without values, {shape:?}").into());
        }
        let mut cuts = vec![Cut::WHOLE; from.len()];
        for ((cut, slice), extent) in cuts.iter_mut().zip(&op.ranges).zip(&from) {
            let range = slice.to_range(*extent);
            *cut = Cut {
                // Backwards from the last.
                start: match slice.step < 0 {
                    true => range.end - 1,
                    false => range.start,
                },
                step: slice.step,
            };
        }
        self.seen_as(&op.tensor, &op.out, |view| view.slice(cuts, shape))
    }

    /// Some values replaced by others: chosen by a mask that is 1 there.
    fn slice_assign(&mut self, op: &SliceAssignOpIr) -> Lowered {
        let shape = op.tensor.shape.to_vec();
        let mut around = vec![(0, 0); shape.len()];
        for ((around, slice), extent) in around.iter_mut().zip(&op.ranges).zip(&shape) {
            if slice.step != 1 {
                return Err("only values that follow each other can be assigned".into());
            }
            let range = slice.to_range(*extent);
            *around = (range.start, extent - range.end);
        }
        let zeros = Padding::Constant(0.0);
        let inside = op.value.shape.to_vec();
        let mask = self.literal(vec![1], vec![1.0], ValueKind::Numbers);
        let mask = mask.then(|view| view.expand(&inside).pad(&around, zeros));
        let value = self.seen(&op.value)?.then(|view| view.pad(&around, zeros));
        let tensor = self.seen(&op.tensor)?;
        let choose = step(Function::Choose, [Arg::Read(0), Arg::Read(1), Arg::Read(2)]);
        self.chain_of(vec![choose], vec![mask, value, tensor], &op.out)
    }

    pub(super) fn pad(&mut self, op: &PadOpIr) -> Lowered {
        let padding = match op.mode {
            PadModeIr::Constant(value) => Padding::Constant(value.elem()),
            PadModeIr::Reflect => Padding::Reflect,
            PadModeIr::Edge => Padding::Edge,
        };
        self.seen_as(&op.input, &op.out, |view| view.pad(&op.padding, padding))
    }

    /// Tensors side by side: maps along their channels, which convolutions may write so; others as the sum of
    /// each with zeros where the others are.
    fn cat(&mut self, cat: &CatOpIr) -> Lowered {
        let seen = cat.tensors.iter().map(|tensor| self.seen(tensor));
        let seen = seen.collect::<Lowered<Vec<Seen>>>()?;
        let is_map = |seen: &Seen| {
            seen.view.is_identity()
                && seen.shape().len() == 4
                && self.values[seen.value.0].kind == ValueKind::Floats
                && !self.constants.contains_key(&seen.value)
        };
        if cat.dim == 1 && seen.len() <= MOST_INPUTS && seen.iter().all(is_map) {
            let inputs: Vec<_> = seen.iter().map(|seen| seen.value).collect();
            let value = self.define(cat.out.id, &cat.out.shape.to_vec(), ValueKind::Floats);
            self.nodes.push(Node {
                op: Op::Concat,
                inputs,
                outputs: vec![value],
            });
            return Ok(());
        }
        let whole = cat.out.shape.to_vec();
        let mut parts = Vec::new();
        let mut first = 0;
        for seen in seen {
            let own = seen.shape()[cat.dim];
            parts.push(seen.then(|view| view.beside(cat.dim, first, whole[cat.dim])));
            first += own;
        }
        self.side_by_side(parts, &cat.out)
    }

    /// The sum of parts that are zeros where others are: several sums, where there are more than can be bound.
    fn side_by_side(&mut self, mut parts: Vec<Seen>, output: &TensorIr) -> Lowered {
        while parts.len() > MOST_INPUTS {
            let few: Vec<Seen> = parts.drain(..MOST_INPUTS).collect();
            let shape = output.shape.to_vec();
            let sum = self.computed(sums(MOST_INPUTS), few, shape, kind_of(output))?;
            parts.insert(0, sum);
        }
        self.chain_of(sums(parts.len()), parts, output)
    }
}
