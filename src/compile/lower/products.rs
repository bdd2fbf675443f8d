//! Matrix products: with a layer's weights, and of what is computed.

use burn_ir::{AttentionOpIr, LinearOpIr, MatmulOpIr, TensorIr};

use super::seen::Seen;
use super::{Lowered, Lowering};
use crate::compile::graph::{Conv, ConvKind, FusedEpilogue, Node, Op};
use crate::kernels::chain::{Arg, Function, Step, View, step};
use crate::kernels::softmax::Softmax;
use crate::plan::{ConstantSource, ValueId, ValueKind};

impl Lowering<'_> {
    pub(super) fn product(&mut self, product: &MatmulOpIr) -> Lowered {
        let right = self.seen(&product.rhs)?;
        match self.linear_weight(&right) {
            Some(weight) => self.rows_by(weight, None, &product.lhs, &product.out),
            None => {
                let left = self.seen(&product.lhs)?;
                let made = self.product_of(left, right)?;
                self.see(&product.out, made)
            }
        }
    }

    pub(super) fn linear(&mut self, linear: &LinearOpIr) -> Lowered {
        let weight = self.seen(&linear.weight)?;
        match self.linear_weight(&weight) {
            Some(weight) => {
                let bias = self.optional_parameter(linear.bias.as_ref())?;
                self.rows_by(weight, bias, &linear.x, &linear.out)
            }
            None => {
                let x = self.seen(&linear.x)?;
                let shape = linear.out.shape.to_vec();
                let ones = shape.len() - 2;
                let mut right = vec![1; ones];
                right.extend(weight.shape());
                let made = self.product_of(x, weight.then(|view| view.reshape(right)))?;
                match &linear.bias {
                    None => self.see(&linear.out, made),
                    Some(bias) => {
                        let bias = self.seen(bias)?;
                        let sum = step(Function::Add, [Arg::Read(0), Arg::Read(1)]);
                        self.chain_of(vec![sum], vec![made, bias], &linear.out)
                    }
                }
            }
        }
    }

    /// The path of a linear layer's weight, which Burn multiplies from the right.
    fn linear_weight(&self, weight: &Seen) -> Option<String> {
        let ConstantSource::Parameter(path) = self.constants.get(&weight.value)? else {
            return None;
        };
        let [outputs, inputs] = *weight.view.from() else {
            return None;
        };
        // As Burn has it, or in front of dimensions of extent 1.
        let own = View::of(&[outputs, inputs]).permute(vec![1, 0]);
        let mut shape = vec![1; weight.shape().len() - 2];
        shape.extend([inputs, outputs]);
        (weight.view == own.reshape(shape)).then(|| path.clone())
    }

    /// Rows times a layer's weights: as rows of two dimensions, whatever they are rows of.
    fn rows_by(
        &mut self,
        weight: String,
        bias: Option<String>,
        input: &TensorIr,
        output: &TensorIr,
    ) -> Lowered {
        let seen = self.seen(input)?;
        let shape = seen.shape();
        let columns = *shape.last().ok_or("it multiplies a number")?;
        let rows = shape.iter().product::<usize>() / columns;
        let out_channels = output.shape[output.shape.num_dims() - 1];
        let rows_of = seen.then(|view| view.reshape(vec![rows, columns]));
        let value = self.plain(rows_of)?;
        let made = self.value(vec![rows, out_channels], ValueKind::Floats);
        let conv = Conv {
            weight,
            kind: ConvKind::Linear(None),
            out_channels,
            bias,
            norm: None,
            epilogue: FusedEpilogue::PLAIN,
            tail: None,
            first_channel: 0,
        };
        self.nodes.push(Node {
            op: Op::Conv(conv),
            inputs: vec![value],
            outputs: vec![made],
        });
        let view = View::of(&[rows, out_channels]).reshape(output.shape.to_vec());
        self.see(output, Seen { value: made, view })
    }

    /// A product of matrices that are computed: each of a batch, or one on the right for all.
    fn product_of(&mut self, left: Seen, right: Seen) -> Lowered<Seen> {
        let dimensions = left.shape().len();
        if dimensions < 2 || right.shape().len() != dimensions {
            return Err("only products of matrices are known".into());
        }
        let batches = |seen: &Seen| seen.shape()[..dimensions - 2].to_vec();
        let (own, other) = (batches(&left), batches(&right));
        let pairs = own.iter().zip(&other);
        let all: Vec<usize> = pairs.map(|(a, b)| *a.max(b)).collect();
        let expanded = |seen: Seen| {
            let mut shape = all.clone();
            shape.extend(&seen.shape()[dimensions - 2..]);
            seen.then(|view| view.expand(&shape))
        };
        let serves_all = other.iter().all(|extent| *extent == 1);
        let right = match serves_all {
            true => right,
            false => expanded(right),
        };
        let left = expanded(left);
        let mut shape = all.clone();
        shape.extend([left.shape()[dimensions - 2], right.shape()[dimensions - 1]]);
        let inputs = vec![self.operand(left)?, self.operand(right)?];
        let value = self.value(shape.clone(), ValueKind::Floats);
        self.nodes.push(Node {
            op: Op::Product,
            inputs,
            outputs: vec![value],
        });
        let view = View::of(&shape);
        Ok(Seen { value, view })
    }

    /// What a product reads: a constant as it is, too.
    fn operand(&mut self, seen: Seen) -> Lowered<ValueId> {
        let is_constant = self.constants.contains_key(&seen.value);
        let is_float = self.values[seen.value.0].kind == ValueKind::Floats;
        match is_constant && is_float && seen.view.is_identity() {
            true => Ok(seen.value),
            false => self.plain(seen),
        }
    }

    /// Attention as Burn defines it: products, masks, shares that are zeros where all is masked.
    pub(super) fn attention(&mut self, op: &AttentionOpIr) -> Lowered {
        let query = self.seen(&op.query)?;
        let key = self.seen(&op.key)?;
        let value = self.seen(&op.value)?;
        let [.., rows, depth] = query.shape()[..] else {
            return Err("its query has no rows".into());
        };
        let columns = key.shape()[key.shape().len() - 2];
        let dimensions = key.shape().len();
        let mut axes: Vec<usize> = (0..dimensions).collect();
        axes.swap(dimensions - 2, dimensions - 1);
        let products = self.product_of(query, key.then(|view| view.permute(axes)))?;
        let shape = products.shape().to_vec();
        let scale = op.options.scale.map(|scale| scale.elem::<f64>());
        let scale = scale.unwrap_or_else(|| 1.0 / (depth as f64).sqrt());
        let mut reads = vec![products];
        let mut steps = vec![step(
            Function::Mul,
            [Arg::Read(0), Arg::Scalar(scale as f32)],
        )];
        let last = |steps: &Vec<Step>| Arg::Step(steps.len() - 1);
        if let Some(cap) = op.options.softcap {
            let cap = Arg::Scalar(cap.elem());
            steps.push(step(Function::Div, [last(&steps), cap]));
            steps.push(step(Function::Tanh, [last(&steps)]));
            steps.push(step(Function::Mul, [last(&steps), cap]));
        }
        let mut masks = Vec::new();
        if let Some(mask) = &op.mask {
            masks.push(self.seen(mask)?);
        }
        if op.options.is_causal {
            masks.push(self.causal_mask(rows, columns));
        }
        let hidden = Arg::Scalar(f32::NEG_INFINITY);
        for mask in masks {
            reads.push(mask);
            let mask = Arg::Read(reads.len() - 1);
            steps.push(step(Function::Choose, [mask, hidden, last(&steps)]));
        }
        if let Some(bias) = &op.attn_bias {
            reads.push(self.seen(bias)?);
            steps.push(step(
                Function::Add,
                [last(&steps), Arg::Read(reads.len() - 1)],
            ));
        }
        let scores = self.computed(steps, reads, shape.clone(), ValueKind::Floats)?;
        let scores = self.plain(scores)?;
        let shares = self.value(shape.clone(), ValueKind::Floats);
        self.nodes.push(Node {
            op: Op::Softmax(Softmax::Masked, shape.len() - 1),
            inputs: vec![scores],
            outputs: vec![shares],
        });
        let view = View::of(&shape);
        let made = self.product_of(
            Seen {
                value: shares,
                view,
            },
            value,
        )?;
        self.see(&op.out, made)
    }

    /// What must not be seen: columns to the right of the diagonal that ends in the last corner.
    fn causal_mask(&mut self, rows: usize, columns: usize) -> Seen {
        let places = (0..rows).flat_map(|row| (0..columns).map(move |column| (row, column)));
        let hides = places.map(|(row, column)| f32::from(column + rows > row + columns));
        let values = hides.collect();
        self.literal(vec![rows, columns], values, ValueKind::Numbers)
    }
}
