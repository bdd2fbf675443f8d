//! What reduces a dimension, or computes along one.

use burn_ir::{ActivationOperationIr, DimOpIr, LayerNormOpIr, NumericOperationIr, TensorIr};

use super::seen::{Seen, kind_of};
use super::{Lowered, Lowering};
use crate::compile::graph::{LayerNorm, Node, Op};
use crate::kernels::chain::View;
use crate::kernels::reduce::Reduction;
use crate::kernels::softmax::Softmax;
use crate::plan::ValueKind;

impl Lowering<'_> {
    pub(super) fn reduction(&mut self, operation: &NumericOperationIr) -> Lowered {
        use NumericOperationIr as Ir;
        match operation {
            Ir::MeanDim(op) => self.reduce_dimension(Reduction::Mean, &op.input, op.axis, &op.out),
            Ir::SumDim(op) => self.reduce_dimension(Reduction::Sum, &op.input, op.axis, &op.out),
            Ir::MaxDim(op) => self.reduce_dimension(Reduction::Max, &op.input, op.axis, &op.out),
            Ir::MinDim(op) => self.reduce_dimension(Reduction::Min, &op.input, op.axis, &op.out),
            Ir::ProdDim(op) => {
                self.reduce_dimension(Reduction::Product, &op.input, op.axis, &op.out)
            }
            Ir::MaxAbsDim(op) => {
                self.reduce_dimension(Reduction::MaxAbs, &op.input, op.axis, &op.out)
            }
            Ir::SumDims(op) => self.reduce(Reduction::Sum, &op.input, &op.axes, &op.out),
            Ir::Mean(op) => self.reduce_all(Reduction::Mean, &op.input, &op.out),
            Ir::Sum(op) => self.reduce_all(Reduction::Sum, &op.input, &op.out),
            Ir::Max(op) => self.reduce_all(Reduction::Max, &op.input, &op.out),
            Ir::Min(op) => self.reduce_all(Reduction::Min, &op.input, &op.out),
            Ir::Prod(op) => self.reduce_all(Reduction::Product, &op.input, &op.out),
            Ir::MaxAbs(op) => self.reduce_all(Reduction::MaxAbs, &op.input, &op.out),
            _ => Err(super::UNKNOWN.into()),
        }
    }

    pub(super) fn reduce_dimension(
        &mut self,
        reduction: Reduction,
        input: &TensorIr,
        dimension: usize,
        output: &TensorIr,
    ) -> Lowered {
        self.reduce(reduction, input, &[dimension], output)
    }

    pub(super) fn reduce_all(
        &mut self,
        reduction: Reduction,
        input: &TensorIr,
        output: &TensorIr,
    ) -> Lowered {
        let all: Vec<usize> = (0..input.shape.num_dims()).collect();
        self.reduce(reduction, input, &all, output)
    }

    /// Some dimensions, one after the other.
    pub(super) fn reduce(
        &mut self,
        reduction: Reduction,
        input: &TensorIr,
        dimensions: &[usize],
        output: &TensorIr,
    ) -> Lowered {
        let seen = self.seen(input)?;
        let mut value = self.tensor(seen)?;
        let mut shape = input.shape.to_vec();
        for dimension in dimensions {
            shape[*dimension] = 1;
            let reduced = self.value(shape.clone(), kind_of(output));
            self.nodes.push(Node {
                op: Op::Reduce(reduction, *dimension),
                inputs: vec![value],
                outputs: vec![reduced],
            });
            value = reduced;
        }
        let view = View::of(&shape).reshape(output.shape.to_vec());
        self.see(output, Seen { value, view })
    }

    /// A tensor as it is, of numbers or floats.
    fn tensor(&mut self, seen: Seen) -> Lowered<crate::plan::ValueId> {
        let is_plain = seen.view.is_identity() && !self.constants.contains_key(&seen.value);
        match is_plain && self.values[seen.value.0].kind == ValueKind::Numbers {
            true => Ok(seen.value),
            false => self.plain(seen),
        }
    }

    pub(super) fn softmax(&mut self, operation: &ActivationOperationIr) -> Lowered {
        let (kind, op) = match operation {
            ActivationOperationIr::Softmax(op) => (Softmax::Plain, op),
            ActivationOperationIr::LogSoftmax(op) => (Softmax::Log, op),
            ActivationOperationIr::Softmin(op) => (Softmax::Min, op),
            _ => return Err(super::UNKNOWN.into()),
        };
        let DimOpIr { input, out, axis } = op;
        let seen = self.seen(input)?;
        let rows = self
            .rows(&seen)
            .filter(|_| axis + 1 == input.shape.num_dims());
        match rows {
            Some(columns) => self.alike(Op::Softmax(kind, columns), seen, out),
            None => {
                let value = self.read(input)?;
                let made = self.define(out.id, &out.shape.to_vec(), ValueKind::Floats);
                self.nodes.push(Node {
                    op: Op::Softmax(kind, *axis),
                    inputs: vec![value],
                    outputs: vec![made],
                });
                Ok(())
            }
        }
    }

    /// The last dimension of a value that is seen reshaped, where that is the last of what is seen, too.
    fn rows(&self, seen: &Seen) -> Option<usize> {
        let value = &self.values[seen.value.0];
        let is_computed = !self.constants.contains_key(&seen.value);
        let keeps = seen.view.is_identity() || seen.view.is_reshape();
        let suits = keeps && is_computed && value.kind == ValueKind::Floats;
        let same = value.shape.last() == seen.shape().last();
        (suits && same).then(|| value.shape.len() - 1)
    }

    pub(super) fn layer_norm(&mut self, op: &LayerNormOpIr) -> Lowered {
        let own = LayerNorm {
            weight: self.parameter(&op.gamma)?,
            bias: self.optional_parameter(op.beta.as_ref())?,
            eps: op.epsilon.elem(),
        };
        let seen = self.seen(&op.input)?;
        if self.rows(&seen).is_some() {
            return self.alike(Op::LayerNorm(own), seen, &op.out);
        }
        let value = self.read(&op.input)?;
        let made = self.define(op.out.id, &op.out.shape.to_vec(), ValueKind::Floats);
        self.nodes.push(Node {
            op: Op::LayerNorm(own),
            inputs: vec![value],
            outputs: vec![made],
        });
        Ok(())
    }
}
