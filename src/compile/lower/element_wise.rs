//! Element-wise operations.

use burn_ir::{
    ActivationOperationIr, BaseOperationIr, BinaryOpIr, BoolOperationIr, FloatOperationIr,
    NumericOperationIr, ScalarIr, ScalarOpIr, TensorIr, UnaryOpIr,
};

use super::seen::{Seen, kind_of};
use super::{Lowered, Lowering};
use crate::compile::graph::{Node, Op};
use crate::compile::reads::Reads;
use crate::kernels::chain::{Arg, Chain, Function, Step, View, step};
use crate::kernels::upsample_add::Upsampling;
use crate::plan::{ConstantSource, ValueKind};

/// What a function is given.
#[derive(Clone, Copy)]
pub(super) enum Operand<'a> {
    Tensor(&'a TensorIr),
    Number(f32),
}

use Operand::{Number, Tensor};

impl Lowering<'_> {
    pub(super) fn activation(&mut self, operation: &ActivationOperationIr) -> Lowered {
        use ActivationOperationIr as Ir;
        match operation {
            Ir::Relu(relu) => self.leaky(0.0, &relu.input, &relu.out),
            Ir::LeakyRelu(relu) => self.leaky(relu.rhs.elem(), &relu.lhs, &relu.out),
            Ir::PRelu(relu) => self.binary(Function::LeakyRelu, relu),
            Ir::Gelu(gelu) => self.unary(Function::Gelu, gelu),
            Ir::Sigmoid(sigmoid) => self.unary(Function::Sigmoid, sigmoid),
            Ir::LogSigmoid(sigmoid) => self.unary(Function::LogSigmoid, sigmoid),
            Ir::HardSigmoid(sigmoid) => {
                let numbers = [sigmoid.alpha, sigmoid.beta].map(|number| Number(number.elem()));
                let args = [Tensor(&sigmoid.tensor), numbers[0], numbers[1]];
                self.compute(Function::HardSigmoid, &args, &sigmoid.out)
            }
            Ir::Softmax(_) | Ir::LogSoftmax(_) | Ir::Softmin(_) => self.softmax(operation),
            _ => Err(super::UNKNOWN.into()),
        }
    }

    /// ReLU and leaky ReLU, which convolutions take in.
    fn leaky(&mut self, slope: f32, input: &TensorIr, output: &TensorIr) -> Lowered {
        let seen = self.seen(input)?;
        let is_plain = seen.view.is_identity() || seen.view.is_reshape();
        let is_computed = !self.constants.contains_key(&seen.value);
        let is_float = self.values[seen.value.0].kind == ValueKind::Floats;
        if !(is_plain && is_computed && is_float) {
            let args = [Tensor(input), Number(slope)];
            return self.compute(Function::LeakyRelu, &args, output);
        }
        self.alike(Op::Activation(slope), seen, output)
    }

    /// An operation on a value that is seen reshaped, as on the value itself: the result is seen likewise.
    pub(super) fn alike(&mut self, op: Op, seen: Seen, output: &TensorIr) -> Lowered {
        let shape = seen.view.from().to_vec();
        let value = self.value(shape, ValueKind::Floats);
        self.nodes.push(Node {
            op,
            inputs: vec![seen.value],
            outputs: vec![value],
        });
        self.see(output, Seen { value, ..seen })
    }

    pub(super) fn float(&mut self, operation: &FloatOperationIr) -> Lowered {
        use FloatOperationIr as Ir;
        match operation {
            Ir::Exp(op) => self.unary(Function::Exp, op),
            Ir::Log(op) => self.unary(Function::Log, op),
            Ir::Log1p(op) => self.unary(Function::Log1p, op),
            Ir::Erf(op) => self.unary(Function::Erf, op),
            Ir::Sqrt(op) => self.unary(Function::Sqrt, op),
            Ir::Cos(op) => self.unary(Function::Cos, op),
            Ir::Sin(op) => self.unary(Function::Sin, op),
            Ir::Tanh(op) => self.unary(Function::Tanh, op),
            Ir::Round(op) => self.unary(Function::Round, op),
            Ir::Floor(op) => self.unary(Function::Floor, op),
            Ir::Ceil(op) => self.unary(Function::Ceil, op),
            Ir::Trunc(op) => self.unary(Function::Trunc, op),
            Ir::Recip(op) => {
                self.compute(Function::Div, &[Number(1.0), Tensor(&op.input)], &op.out)
            }
            Ir::ArcTan2(op) => self.binary(Function::Atan2, op),
            Ir::Powf(op) => self.binary(Function::Power, op),
            Ir::PowfScalar(op) => self.scalar(Function::Power, op),
            Ir::IntoInt(op) => self.compute(Function::Trunc, &[Tensor(&op.input)], &op.out),
            Ir::Matmul(product) => self.product(product),
            _ => Err(super::UNKNOWN.into()),
        }
    }

    /// `whole` says whether the numbers are whole, and divide so.
    pub(super) fn numeric(&mut self, operation: &NumericOperationIr, whole: bool) -> Lowered {
        use NumericOperationIr as Ir;
        let divide = match whole {
            true => Function::Quotient,
            false => Function::Div,
        };
        match operation {
            Ir::Add(op) => self.add(op),
            Ir::AddScalar(op) => self.scalar(Function::Add, op),
            Ir::Sub(op) => self.binary(Function::Sub, op),
            Ir::SubScalar(op) => self.scalar(Function::Sub, op),
            Ir::Mul(op) => self.binary(Function::Mul, op),
            Ir::MulScalar(op) => self.scalar(Function::Mul, op),
            Ir::Div(op) => self.binary(divide, op),
            Ir::DivScalar(op) => self.scalar(divide, op),
            Ir::Rem(op) => self.binary(Function::Remainder, op),
            Ir::RemScalar(op) => self.scalar(Function::Remainder, op),
            Ir::Powi(op) => self.binary(Function::Power, op),
            Ir::PowiScalar(op) => self.scalar(Function::Power, op),
            Ir::Abs(op) => self.unary(Function::Abs, op),
            Ir::Neg(op) => self.unary(Function::Neg, op),
            Ir::Sign(op) => self.unary(Function::Sign, op),
            Ir::Greater(op) => self.binary(Function::Greater, op),
            Ir::GreaterElem(op) => self.scalar(Function::Greater, op),
            Ir::GreaterEqual(op) => self.binary(Function::GreaterEqual, op),
            Ir::GreaterEqualElem(op) => self.scalar(Function::GreaterEqual, op),
            Ir::Lower(op) => self.binary(Function::Lower, op),
            Ir::LowerElem(op) => self.scalar(Function::Lower, op),
            Ir::LowerEqual(op) => self.binary(Function::LowerEqual, op),
            Ir::LowerEqualElem(op) => self.scalar(Function::LowerEqual, op),
            Ir::ClampMin(op) => self.scalar(Function::AtLeast, op),
            Ir::ClampMax(op) => self.scalar(Function::AtMost, op),
            Ir::Clamp(op) => {
                let [min, max] = [op.min, op.max].map(|limit| limit.elem());
                let steps = vec![
                    step(Function::AtLeast, [Arg::Read(0), Arg::Scalar(min)]),
                    step(Function::AtMost, [Arg::Step(0), Arg::Scalar(max)]),
                ];
                self.chain(steps, &[&op.tensor], &op.out)
            }
            Ir::Full(op) => self.filled(&op.out, op.value.elem()),
            Ir::Pad(op) => self.pad(op),
            _ => self.reduction(operation),
        }
    }

    pub(super) fn truth(&mut self, operation: &BoolOperationIr) -> Lowered {
        use BoolOperationIr as Ir;
        match operation {
            Ir::Not(op) => self.unary(Function::Invert, op),
            Ir::And(op) => self.binary(Function::Both, op),
            Ir::Or(op) => self.binary(Function::Either, op),
            Ir::Xor(op) => self.binary(Function::Differ, op),
            Ir::IntoFloat(cast) | Ir::IntoInt(cast) => self.same(&cast.input, &cast.out),
        }
    }

    /// What tensors of all kinds have in common, of what is element-wise.
    pub(super) fn comparison(&mut self, operation: &BaseOperationIr) -> Lowered {
        use BaseOperationIr as Ir;
        match operation {
            Ir::Equal(op) => self.binary(Function::Equal, op),
            Ir::EqualElem(op) => self.scalar(Function::Equal, op),
            Ir::NotEqual(op) => self.binary(Function::NotEqual, op),
            Ir::NotEqualElem(op) => self.scalar(Function::NotEqual, op),
            Ir::MaskWhere(op) => {
                let args = [Tensor(&op.mask), Tensor(&op.value), Tensor(&op.tensor)];
                self.compute(Function::Choose, &args, &op.out)
            }
            Ir::MaskFill(op) => {
                let args = [
                    Tensor(&op.mask),
                    Number(op.value.elem()),
                    Tensor(&op.tensor),
                ];
                self.compute(Function::Choose, &args, &op.out)
            }
            _ => Err(super::UNKNOWN.into()),
        }
    }

    fn unary(&mut self, function: Function, op: &UnaryOpIr) -> Lowered {
        self.compute(function, &[Tensor(&op.input)], &op.out)
    }

    pub(super) fn binary(&mut self, function: Function, op: &BinaryOpIr) -> Lowered {
        self.compute(function, &[Tensor(&op.lhs), Tensor(&op.rhs)], &op.out)
    }

    fn scalar(&mut self, function: Function, op: &ScalarOpIr) -> Lowered {
        let number = |scalar: ScalarIr| Number(scalar.elem());
        self.compute(function, &[Tensor(&op.lhs), number(op.rhs)], &op.out)
    }

    /// A tensor is another one, counted as something else.
    pub(super) fn same(&mut self, input: &TensorIr, output: &TensorIr) -> Lowered {
        let seen = self.seen(input)?;
        self.see(output, seen)
    }

    /// A function of tensors and numbers.
    pub(super) fn compute(
        &mut self,
        function: Function,
        operands: &[Operand<'_>],
        output: &TensorIr,
    ) -> Lowered {
        let mut tensors = Vec::new();
        let mut args = Vec::new();
        for operand in operands {
            args.push(match operand {
                Number(number) => Arg::Scalar(*number),
                Tensor(tensor) => {
                    tensors.push(*tensor);
                    Arg::Read(tensors.len() - 1)
                }
            });
        }
        self.chain(vec![Step { function, args }], &tensors, output)
    }

    /// Steps over tensors, which are expanded to the output's shape.
    pub(super) fn chain(
        &mut self,
        steps: Vec<Step>,
        tensors: &[&TensorIr],
        output: &TensorIr,
    ) -> Lowered {
        let seen = tensors.iter().map(|tensor| self.seen(tensor));
        let seen = seen.collect::<Lowered<Vec<Seen>>>()?;
        self.chain_of(steps, seen, output)
    }

    /// Steps over what is seen, expanded to the output's shape.
    pub(super) fn chain_of(
        &mut self,
        steps: Vec<Step>,
        seen: Vec<Seen>,
        output: &TensorIr,
    ) -> Lowered {
        let made = self.computed(steps, seen, output.shape.to_vec(), kind_of(output))?;
        self.see(output, made)
    }

    /// Steps over what is seen, expanded to a shape: what they make.
    pub(super) fn computed(
        &mut self,
        steps: Vec<Step>,
        seen: Vec<Seen>,
        shape: Vec<usize>,
        kind: ValueKind,
    ) -> Lowered<Seen> {
        // Where a value is seen reshaped, it is computed with as it is: what follows it may take that in.
        let reshaped = seen.iter().find(|seen| {
            seen.view.is_reshape()
                && seen.shape() == shape
                && !self.constants.contains_key(&seen.value)
        });
        let own = reshaped
            .map_or(&shape, |seen| &self.values[seen.value.0].shape)
            .clone();
        let mut read = Reads::default();
        for seen in seen {
            let kind = self.values[seen.value.0].kind;
            if !kind.is_tensor() {
                return Err(format!("it computes with {}", kind.name()).into());
            }
            let view = seen.view.expand(&shape).reshape(own.clone());
            read.read(seen.value, view);
        }
        let value = self.value(own.clone(), kind);
        let Reads { inputs, reads } = read;
        self.nodes.push(Node {
            op: Op::Chain(Chain { reads, steps }),
            inputs,
            outputs: vec![value],
        });
        let view = View::of(&own).reshape(shape);
        Ok(Seen { value, view })
    }

    /// A sum: of a map or rows and a bias, of two tensors that are alike, or of any.
    fn add(&mut self, add: &BinaryOpIr) -> Lowered {
        let (mut left, mut right) = (self.seen(&add.lhs)?, self.seen(&add.rhs)?);
        if let Some(path) = self.bias_of(&right, &left) {
            return self.alike(Op::AddBias(path), left, &add.out);
        }
        // Rows that a matrix product has made are seen in another shape: what is added to them then, too.
        if left.view.is_reshape() && right.view.is_identity() {
            right = self.seen_like(right, &left)?;
        } else if right.view.is_reshape() && left.view.is_identity() {
            left = self.seen_like(left, &right)?;
        }
        match self.alike_pair(&left, &right) {
            true => {
                let shape = left.view.from().to_vec();
                let value = self.value(shape, ValueKind::Floats);
                self.nodes.push(Node {
                    op: Op::Add(Upsampling::Nearest),
                    inputs: vec![left.value, right.value],
                    outputs: vec![value],
                });
                self.see(&add.out, Seen { value, ..left })
            }
            false => self.binary(Function::Add, add),
        }
    }

    /// A tensor as one of another's own shape that is seen likewise; as it is where it is of another shape.
    fn seen_like(&mut self, seen: Seen, other: &Seen) -> Lowered<Seen> {
        if seen.shape() != other.shape() || self.constants.contains_key(&seen.value) {
            return Ok(seen);
        }
        let shape = other.view.from().to_vec();
        let value = self.plain(seen.then(|view| view.reshape(shape)))?;
        let view = other.view.clone();
        Ok(Seen { value, view })
    }

    /// Whether both are values of the graph, of floats, and seen alike.
    fn alike_pair(&self, left: &Seen, right: &Seen) -> bool {
        let computed = |seen: &Seen| {
            let kind = self.values[seen.value.0].kind;
            kind == ValueKind::Floats && !self.constants.contains_key(&seen.value)
        };
        left.view == right.view
            && (left.view.is_identity() || left.view.is_reshape())
            && computed(left)
            && computed(right)
    }

    /// The path of a parameter that has a value for each channel of a map, or each column of rows, and of no
    /// other dimension.
    fn bias_of(&self, bias: &Seen, summand: &Seen) -> Option<String> {
        let ConstantSource::Parameter(path) = self.constants.get(&bias.value)? else {
            return None;
        };
        let [channels] = *bias.view.from() else {
            return None;
        };
        let summand_value = &self.values[summand.value.0];
        let is_float = summand_value.kind == ValueKind::Floats;
        if !is_float || self.constants.contains_key(&summand.value) {
            return None;
        }
        // The bias as it would be along the channels.
        let mut along = vec![1; summand.shape().len()];
        let fits = match (summand.view.is_identity(), &summand_value.shape[..]) {
            (true, &[_, own, _, _]) => {
                along[1] = own;
                own == channels
            }
            (true, &[_, own]) => {
                along[1] = own;
                own == channels
            }
            (false, &[_, own]) if summand.view.is_reshape() => {
                *along.last_mut()? = own;
                own == channels && summand.shape().last() == Some(&own)
            }
            _ => false,
        };
        let seen = bias.shape();
        // Fewer dimensions are aligned at the last.
        let aligned = seen.len() <= along.len() && along.ends_with(seen) && {
            let missing = &along[..along.len() - seen.len()];
            missing.iter().all(|extent| *extent == 1)
        };
        let only_moves = bias.view.is_identity() || bias.view.is_reshape();
        (fits && aligned && only_moves).then(|| path.clone())
    }
}
