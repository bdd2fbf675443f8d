//! Tensors that are there before a plan runs.

use std::fmt;
use std::sync::Arc;

use serde::{Serialize, Serializer};

use crate::kernels::Dtype;
use crate::kernels::conv::WeightLayout;

/// A tensor that a step reads and no step makes. One store of them serves the plans of all sizes.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(untagged)]
pub enum Constant {
    /// Made of a layer's parameters.
    Layer(LayerConstant),
    /// As it is.
    Tensor(TensorConstant),
}

impl Constant {
    /// What it is stored in.
    pub fn dtype(&self) -> Dtype {
        match self {
            Self::Layer(layer) => layer.dtype,
            Self::Tensor(tensor) => tensor.dtype,
        }
    }

    /// What people call it.
    pub fn name(&self) -> &str {
        match self {
            Self::Layer(layer) => &layer.weight,
            Self::Tensor(tensor) => tensor.source.name(),
        }
    }
}

/// A tensor made of a layer's parameters, named by their paths.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct LayerConstant {
    /// The layer's multipliers or its bias.
    pub part: ConstantPart,
    /// What it is stored in.
    pub dtype: Dtype,
    /// Path of the weight.
    pub weight: String,
    /// Path of the bias.
    pub bias: Option<String>,
    /// Path and eps of the batch norm that is folded in.
    pub norm: Option<(String, f64)>,
    /// Factor of the PixelShuffle that follows and asks for another order of the outputs; 1 for none.
    pub shuffle: usize,
}

/// Which of a layer's two constants.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub enum ConstantPart {
    /// Its multipliers.
    Weights(WeightLayout),
    /// `[out]`; zeros where the layer has none.
    Bias,
    /// The same so many times over: a transposed convolution's, whose cells are channels.
    CellsBias(usize),
}

/// A tensor as it is.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct TensorConstant {
    /// Where its values come from.
    pub source: ConstantSource,
    /// The dimension that lies side by side in memory: see [`Layout::inner`](crate::kernels::Layout::inner).
    pub inner: usize,
    /// What it is stored in.
    pub dtype: Dtype,
}

/// Where a constant's values come from.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub enum ConstantSource {
    /// The parameter at this path, in PyTorch's layout.
    Parameter(String),
    /// The module made it, without computing.
    Literal(Literal),
}

impl ConstantSource {
    /// What people call it.
    pub fn name(&self) -> &str {
        match self {
            Self::Parameter(path) => path,
            Self::Literal(_) => "constant",
        }
    }
}

/// Values that are part of a graph.
#[derive(Clone, PartialEq)]
pub struct Literal {
    /// As Burn has it.
    pub shape: Vec<usize>,
    /// Row-major.
    pub values: Arc<[f32]>,
}

impl fmt::Debug for Literal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "literal {:?}", self.shape)
    }
}

impl Serialize for Literal {
    /// Its shape.
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.shape.serialize(serializer)
    }
}
