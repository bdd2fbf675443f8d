//! What stands for a recorded tensor: a value of the graph, seen through a view. Views become nodes only where
//! something reads them that cannot look through one.

use burn_ir::{TensorId, TensorIr};

use super::{Lowered, Lowering};
use crate::compile::graph::{Node, Op};
use crate::kernels::chain::{Chain, View};
use crate::plan::{ConstantSource, Literal, Value, ValueId, ValueKind};

/// A value, and how it is seen.
#[derive(Clone, Debug)]
pub(super) struct Seen {
    pub value: ValueId,
    pub view: View,
}

impl Seen {
    /// The same, seen otherwise.
    pub fn then(self, change: impl FnOnce(View) -> View) -> Self {
        Self {
            view: change(self.view),
            ..self
        }
    }

    pub fn shape(&self) -> &[usize] {
        self.view.shape()
    }
}

impl Lowering<'_> {
    /// What stands for a tensor: something computed before, a parameter, or a constant.
    pub(super) fn seen(&mut self, tensor: &TensorIr) -> Lowered<Seen> {
        if let Some(seen) = self.ids.get(&tensor.id) {
            return Ok(seen.clone());
        }
        if let Some(path) = self.captured.parameters.get(&tensor.id) {
            let mut shape = tensor.shape.to_vec();
            let is_transposed = self.captured.linear.contains(&tensor.id);
            // Constants are as PyTorch has them.
            if is_transposed {
                shape.reverse();
            }
            let source = ConstantSource::Parameter(path.clone());
            let seen = self.constant(source, shape, ValueKind::Floats);
            let seen = match is_transposed {
                true => seen.then(|view| view.permute(vec![1, 0])),
                false => seen,
            };
            self.ids.insert(tensor.id, seen.clone());
            return Ok(seen);
        }
        if let Some(data) = self.captured.values.get(&tensor.id) {
            let kind = kind_of(tensor);
            let values = data.iter::<f32>().collect();
            let seen = self.literal(tensor.shape.to_vec(), values, kind);
            self.ids.insert(tensor.id, seen.clone());
            return Ok(seen);
        }
        Err(match self.random.contains(&tensor.id) {
            true => "it reads random values, which would be others each time".into(),
            false => "it reads a tensor that nothing makes".into(),
        })
    }

    /// A parameter's own path.
    pub(super) fn parameter(&self, tensor: &TensorIr) -> Lowered<String> {
        if let Some(path) = self.captured.parameters.get(&tensor.id) {
            return Ok(path.clone());
        }
        // One that is reshaped, and nothing else.
        let seen = self.ids.get(&tensor.id);
        let source = seen.and_then(|seen| self.constants.get(&seen.value));
        match source {
            Some(ConstantSource::Parameter(path))
                if seen.is_some_and(|seen| seen.view.is_identity()) =>
            {
                Ok(path.clone())
            }
            _ => {
                Err("it computes with something that is no parameter where one is expected".into())
            }
        }
    }

    /// The path of a parameter that may be left out.
    pub(super) fn optional_parameter(&self, tensor: Option<&TensorIr>) -> Lowered<Option<String>> {
        tensor.map(|tensor| self.parameter(tensor)).transpose()
    }

    /// A value that is there before the first node.
    fn constant(&mut self, source: ConstantSource, shape: Vec<usize>, kind: ValueKind) -> Seen {
        let view = View::of(&shape);
        self.values.push(Value::new(shape, kind));
        let value = ValueId(self.values.len() - 1);
        self.constants.insert(value, source);
        Seen { value, view }
    }

    /// Values that are part of the graph.
    pub(super) fn literal(&mut self, shape: Vec<usize>, values: Vec<f32>, kind: ValueKind) -> Seen {
        let literal = Literal {
            shape: shape.clone(),
            values: values.into(),
        };
        self.constant(ConstantSource::Literal(literal), shape, kind)
    }

    /// One number everywhere.
    pub(super) fn filled(&mut self, tensor: &TensorIr, number: f32) -> Lowered {
        // The first values of a parameter do not count.
        if self.captured.parameters.contains_key(&tensor.id) {
            return Ok(());
        }
        let shape = tensor.shape.to_vec();
        let seen = self.literal(vec![1], vec![number], kind_of(tensor));
        self.see(tensor, seen.then(|view| view.expand(&shape)))
    }

    /// A tensor is this.
    pub(super) fn see(&mut self, tensor: &TensorIr, seen: Seen) -> Lowered {
        if seen.shape() != tensor.shape.to_vec() {
            return Err("it makes another shape than is expected".into());
        }
        self.ids.insert(tensor.id, seen);
        Ok(())
    }

    /// A new value that stands for a tensor.
    pub(super) fn define(&mut self, tensor: TensorId, shape: &[usize], kind: ValueKind) -> ValueId {
        let value = self.value(shape.to_vec(), kind);
        let view = View::of(shape);
        self.ids.insert(tensor, Seen { value, view });
        value
    }

    pub(super) fn value(&mut self, shape: Vec<usize>, kind: ValueKind) -> ValueId {
        self.values.push(Value::new(shape, kind));
        ValueId(self.values.len() - 1)
    }

    /// A value that is a tensor as it is, of floats: copied where it is seen otherwise.
    pub(super) fn read(&mut self, tensor: &TensorIr) -> Lowered<ValueId> {
        let seen = self.seen(tensor)?;
        let value = self.plain(seen)?;
        let view = View::of(&tensor.shape.to_vec());
        // Who reads it next reads the same.
        self.ids.insert(tensor.id, Seen { value, view });
        Ok(value)
    }

    /// The same, but that a parameter is read where it lies.
    pub(super) fn read_where_it_lies(&mut self, tensor: &TensorIr) -> Lowered<ValueId> {
        let seen = self.seen(tensor)?;
        let is_parameter = matches!(
            self.constants.get(&seen.value),
            Some(ConstantSource::Parameter(_))
        );
        match is_parameter && seen.view.is_identity() {
            true => Ok(seen.value),
            false => self.read(tensor),
        }
    }

    /// A value as it is seen.
    pub(super) fn plain(&mut self, seen: Seen) -> Lowered<ValueId> {
        let kind = self.values[seen.value.0].kind;
        let is_constant = self.constants.contains_key(&seen.value);
        if seen.view.is_identity() && kind != ValueKind::Numbers && !is_constant {
            return Ok(seen.value);
        }
        if !kind.is_tensor() {
            return Err(format!("it takes {} apart", kind.name()).into());
        }
        let output = self.value(seen.shape().to_vec(), ValueKind::Floats);
        self.nodes.push(Node {
            op: Op::Chain(Chain::copy(seen.view)),
            inputs: vec![seen.value],
            outputs: vec![output],
        });
        Ok(output)
    }
}

/// What a tensor holds.
pub(super) fn kind_of(tensor: &TensorIr) -> ValueKind {
    match tensor.dtype.is_float() {
        true => ValueKind::Floats,
        false => ValueKind::Numbers,
    }
}
