//! Whether operations over tensors of any rank compute something that follows from what they read.

use super::node::{NodeCheck, Outcome};
use crate::compile::graph::Op;
use crate::kernels::chain::{Arg, Chain, MOST_INPUTS};
use crate::plan::ValueId;

impl NodeCheck<'_> {
    /// Of an operation that takes floats and numbers alike.
    pub fn tensors(&self, op: &Op) -> Outcome {
        let all = self.node.inputs.iter().chain(&self.node.outputs);
        for value in all {
            let kind = self.graph.value(*value).kind;
            if !kind.is_tensor() {
                return Err(format!("it computes with {}", kind.name()));
            }
            if self.graph.shape(*value).contains(&0) {
                return Err("it computes with a tensor without values".to_owned());
            }
        }
        match op {
            Op::Chain(chain) => self.chain(chain),
            Op::Reduce(_, dimension) => {
                let mut shape = self.only_input()?.to_vec();
                let extent = shape.get_mut(*dimension);
                *extent.ok_or_else(|| format!("it reduces dimension {dimension}"))? = 1;
                self.is(self.output(), &shape)
            }
            Op::Softmax(_, dimension) => {
                let shape = self.only_input()?;
                if *dimension >= shape.len() {
                    return Err(format!("it goes along dimension {dimension} of {shape:?}"));
                }
                self.is(self.output(), shape)
            }
            Op::LayerNorm(_) => self.is(self.output(), self.only_input()?),
            Op::Product => self.product(),
            _ => unreachable!("others compute over maps and rows"),
        }
    }

    fn only_input(&self) -> Result<&[usize], String> {
        self.has_inputs(1)?;
        self.input(0)
    }

    fn chain(&self, chain: &Chain) -> Outcome {
        if chain.reads.is_empty() {
            return Err("it reads nothing".to_owned());
        }
        self.has_inputs(chain.inputs())?;
        if chain.inputs() > MOST_INPUTS {
            return Err(format!(
                "it reads {} tensors, where {MOST_INPUTS} can be bound",
                chain.inputs()
            ));
        }
        for read in &chain.reads {
            self.is(read.view.from(), self.input(read.input)?)?;
            self.is(self.output(), read.view.shape())?;
        }
        for (index, step) in chain.steps.iter().enumerate() {
            let knows = |arg: &Arg| match *arg {
                Arg::Read(read) => read < chain.reads.len(),
                Arg::Step(step) => step < index,
                Arg::Scalar(_) => true,
            };
            if step.args.len() != step.function.arity() || !step.args.iter().all(knows) {
                return Err(format!("its step {index} is given what it does not take"));
            }
        }
        let inputs: Vec<&ValueId> = self.node.inputs.iter().collect();
        for (index, input) in inputs.iter().enumerate() {
            if inputs[..index].contains(input) {
                return Err(format!("it binds value {} twice", input.0));
            }
        }
        Ok(())
    }

    fn product(&self) -> Outcome {
        self.has_inputs(2)?;
        let (left, right) = (self.input(0)?, self.input(1)?);
        let ([own @ .., rows, depth], [other @ .., same, columns]) = (left, right) else {
            return Err(format!("it multiplies {left:?} with {right:?}"));
        };
        self.is(&[*same], &[*depth])?;
        if own != other && (own.len() != other.len() || other.iter().any(|extent| *extent != 1)) {
            return Err(format!("it multiplies {left:?} with {right:?}"));
        }
        let mut expected = own.to_vec();
        expected.extend([rows, columns]);
        self.is(self.output(), &expected)
    }
}
