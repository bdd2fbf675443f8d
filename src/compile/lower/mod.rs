//! From Burn's recorded operations to the compiler's graph.

mod maps;

use std::borrow::Cow;
use std::collections::BTreeMap;

use burn_ir::{
    ActivationOperationIr, BaseOperationIr, BinaryOpIr, CustomOpIr, FloatOperationIr,
    ModuleOperationIr, NumericOperationIr, OperationIr, TensorId, TensorIr,
};

use super::capture::CapturedModel;
use super::graph::{Conv, ConvKind, FusedEpilogue, Graph, Node, Norm, Op};
use crate::kernels::upsample_add::Upsampling;
use crate::ops::{self, Extension};
use crate::plan::{Value, ValueId, ValueKind};

/// An operation that the compiler does not know.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[error("the model uses {operation}, which cannot be compiled: {reason}")]
pub struct LowerError {
    /// The operation, and the parameters it uses.
    pub operation: String,
    /// What about it is not known.
    pub reason: Cow<'static, str>,
}

/// The graph of a captured model.
///
/// # Errors
/// If it uses an operation, or an option of one, that the compiler does not know; the error names it.
pub fn lower(captured: &CapturedModel) -> Result<Graph, LowerError> {
    lower_traced(captured).map(|(graph, _)| graph)
}

/// As [`lower`], with the value that stands for each recorded tensor.
///
/// # Errors
/// As [`lower`].
pub fn lower_traced(
    captured: &CapturedModel,
) -> Result<(Graph, BTreeMap<TensorId, ValueId>), LowerError> {
    let mut lowering = Lowering {
        captured,
        values: Vec::new(),
        ids: BTreeMap::new(),
        biases: BTreeMap::new(),
        constants: BTreeMap::new(),
        nodes: Vec::new(),
    };
    let image = lowering.define(captured.image, &captured.image_shape, ValueKind::Floats);
    let frame = captured
        .frame
        .map(|frame| lowering.define(frame, &[4], ValueKind::Frame));
    for operation in &captured.graph.operations {
        lowering.operation(operation).map_err(|reason| LowerError {
            operation: describe(operation, &captured.parameters),
            reason,
        })?;
    }
    let outputs = captured.outputs.iter();
    let outputs = outputs.map(|output| output.try_map(|id| lowering.given_back(*id)));
    let outputs = outputs.collect::<Result<_, LowerError>>()?;
    let checked = captured.checked.iter().map(|id| lowering.given_back(*id));
    let checked = checked.collect::<Result<_, LowerError>>()?;
    let graph = Graph {
        image,
        frame,
        outputs,
        checked,
        values: lowering.values,
        nodes: lowering.nodes,
    };
    Ok((graph, lowering.ids))
}

/// The operation's name, and where in the module it stands as far as its parameters tell.
fn describe(operation: &OperationIr, parameters: &BTreeMap<TensorId, String>) -> String {
    let name: String = format!("{operation:?}")
        .chars()
        .take_while(|c| *c != '{')
        .collect();
    let paths: Vec<&str> = operation
        .inputs()
        .filter_map(|tensor| Some(parameters.get(&tensor.id)?.as_str()))
        .collect();
    let output = operation.outputs().next();
    let shape = output.map_or_else(String::new, |tensor| {
        format!(" to shape {:?}", tensor.shape.to_vec())
    });
    match paths.is_empty() {
        true => format!("{}{shape}", name.trim_end()),
        false => format!("{} of {}{shape}", name.trim_end(), paths.join(", ")),
    }
}

struct Lowering<'a> {
    captured: &'a CapturedModel,
    values: Vec<Value>,
    ids: BTreeMap<TensorId, ValueId>,
    /// Parameters of one dimension, reshaped for a sum.
    biases: BTreeMap<TensorId, String>,
    /// Tensors that a graph holds the values of, or how to make them, by what makes them.
    constants: BTreeMap<TensorId, &'static str>,
    nodes: Vec<Node>,
}

/// With the reason why not.
type Lowered<T = ()> = Result<T, Cow<'static, str>>;

impl Lowering<'_> {
    fn operation(&mut self, operation: &OperationIr) -> Lowered {
        match operation {
            OperationIr::Init(init) => self.constant(&init.out, "stored values"),
            OperationIr::BaseFloat(BaseOperationIr::Zeros(made)) => {
                self.constant(&made.out, "zeros")
            }
            OperationIr::BaseFloat(BaseOperationIr::Ones(made)) => self.constant(&made.out, "ones"),
            OperationIr::Float(_, FloatOperationIr::Random(made)) => {
                self.constant(&made.out, "random values")
            }
            OperationIr::Module(ModuleOperationIr::Conv2d(conv)) => self.conv(conv),
            OperationIr::Module(ModuleOperationIr::BatchNorm(norm)) => {
                let path = self.parameter(&norm.mean)?;
                let path = path
                    .strip_suffix(".running_mean")
                    .ok_or("its statistics are not a batch norm's")?;
                // Only the path is passed on: the others must lie beside the mean.
                for (tensor, leaf) in [
                    (&norm.gamma, "weight"),
                    (&norm.beta, "bias"),
                    (&norm.variance, "running_var"),
                ] {
                    if self.parameter(tensor)? != format!("{path}.{leaf}") {
                        return Err("its parameters are not of one batch norm".into());
                    }
                }
                let norm_of = Norm {
                    path: path.to_owned(),
                    eps: norm.epsilon.elem(),
                };
                self.node(Op::BatchNorm(norm_of), &[&norm.x], &norm.out)
            }
            OperationIr::Module(ModuleOperationIr::MaxPool2d(pool)) => self.max_pool(pool),
            OperationIr::Module(ModuleOperationIr::AvgPool2d(pool)) => self.average_pool(pool),
            OperationIr::Module(ModuleOperationIr::AdaptiveAvgPool2d(pool)) => {
                self.adaptive_average_pool(pool)
            }
            OperationIr::Module(ModuleOperationIr::Interpolate(resize)) => self.upsample(resize),
            OperationIr::Activation(ActivationOperationIr::Relu(relu)) => {
                self.node(Op::Activation(0.0), &[&relu.input], &relu.out)
            }
            OperationIr::Activation(ActivationOperationIr::LeakyRelu(relu)) => {
                self.node(Op::Activation(relu.rhs.elem()), &[&relu.lhs], &relu.out)
            }
            OperationIr::Float(_, FloatOperationIr::Matmul(product)) => self.product(product),
            OperationIr::NumericFloat(_, NumericOperationIr::Add(add)) => self.add(add),
            OperationIr::BaseFloat(BaseOperationIr::Reshape(reshape)) => {
                if let Some(path) = self.bias(&reshape.input) {
                    // Burn makes a row of a linear layer's bias.
                    return match reshape.input.shape.num_dims() {
                        1 => {
                            let path = path.clone();
                            self.biases.insert(reshape.out.id, path);
                            Ok(())
                        }
                        _ => Err("of parameters only biases may be reshaped".into()),
                    };
                }
                let flattens = reshape.input.shape.num_dims() == 4
                    && reshape.out.shape.num_dims() == 2
                    && reshape.input.shape[0] == reshape.out.shape[0];
                match flattens {
                    true => self.node(Op::Flatten, &[&reshape.input], &reshape.out),
                    false => Err("only the flattening of maps is known".into()),
                }
            }
            OperationIr::BaseFloat(BaseOperationIr::Cat(cat)) => match cat.dim {
                1 => {
                    let inputs: Vec<&TensorIr> = cat.tensors.iter().collect();
                    self.node(Op::Concat, &inputs, &cat.out)
                }
                _ => Err("only channels can be stacked".into()),
            },
            OperationIr::Custom(custom) => self.custom(custom),
            _ => Err("no such operation is known".into()),
        }
    }

    /// What is made without being computed: a parameter's first values, which do not count, or a
    /// constant, which nothing may read yet.
    fn constant(&mut self, tensor: &TensorIr, made_of: &'static str) -> Lowered {
        if !self.ids.contains_key(&tensor.id) {
            self.constants.insert(tensor.id, made_of);
        }
        Ok(())
    }

    fn product(&mut self, product: &burn_ir::MatmulOpIr) -> Lowered {
        let [rows, weight] = [&product.lhs, &product.rhs].map(|tensor| tensor.shape.num_dims());
        if [rows, weight] != [2, 2] {
            return Err("only the product of a matrix of rows and one of weights is known".into());
        }
        let weight = self.parameter(&product.rhs)?;
        if !self.captured.linear.contains(&product.rhs.id) {
            return Err("of matrices only the weights of linear layers are known".into());
        }
        let conv = Conv {
            weight,
            kind: ConvKind::Linear(None),
            out_channels: product.out.shape[1],
            bias: None,
            norm: None,
            epilogue: FusedEpilogue::PLAIN,
            first_channel: 0,
        };
        self.node(Op::Conv(conv), &[&product.lhs], &product.out)
    }

    fn add(&mut self, add: &BinaryOpIr) -> Lowered {
        match self.bias(&add.rhs).cloned() {
            Some(bias) if is_bias(&add.rhs.shape.to_vec(), &add.lhs.shape.to_vec()) => {
                self.node(Op::AddBias(bias), &[&add.lhs], &add.out)
            }
            Some(_) => Err("a bias has one value a channel".into()),
            None if add.lhs.shape == add.rhs.shape => self.node(
                Op::Add(Upsampling::Nearest),
                &[&add.lhs, &add.rhs],
                &add.out,
            ),
            None => Err("of sums of different shapes only a bias is known".into()),
        }
    }

    fn custom(&mut self, custom: &CustomOpIr) -> Lowered {
        let operation = ops::by_id(&custom.id).ok_or("no such operation is known")?;
        let (expected, made) = operation.signature(custom.inputs.len());
        if [expected.len(), made.len()] != [custom.inputs.len(), custom.outputs.len()] {
            return Err("it has more or fewer tensors than are known".into());
        }
        let inputs = custom.inputs.iter().map(|tensor| self.read(tensor));
        let inputs: Vec<ValueId> = inputs.collect::<Lowered<_>>()?;
        let outputs = custom
            .outputs
            .iter()
            .zip(made)
            .map(|(tensor, kind)| self.define(tensor.id, &tensor.shape.to_vec(), kind));
        let outputs = outputs.collect();
        let extension = Extension {
            operation,
            scalars: custom.scalars.clone(),
        };
        self.nodes.push(Node {
            op: Op::Extension(extension),
            inputs,
            outputs,
        });
        Ok(())
    }

    /// The path of a parameter, as it is or reshaped.
    fn bias(&self, tensor: &TensorIr) -> Option<&String> {
        let parameters = &self.captured.parameters;
        let reshaped = self.biases.get(&tensor.id);
        reshaped.or_else(|| parameters.get(&tensor.id))
    }

    fn parameter(&self, tensor: &TensorIr) -> Lowered<String> {
        let path = self.captured.parameters.get(&tensor.id).cloned();
        path.ok_or("it computes with something that is no parameter where one is expected".into())
    }

    fn node(&mut self, op: Op, inputs: &[&TensorIr], output: &TensorIr) -> Lowered {
        let inputs = inputs.iter().map(|tensor| self.read(tensor));
        let inputs = inputs.collect::<Lowered<_>>()?;
        let output = self.define(output.id, &output.shape.to_vec(), ValueKind::Floats);
        self.nodes.push(Node {
            op,
            inputs,
            outputs: vec![output],
        });
        Ok(())
    }

    /// A value that an operation before this one has made.
    fn read(&self, tensor: &TensorIr) -> Lowered<ValueId> {
        if let Some(value) = self.ids.get(&tensor.id) {
            return Ok(*value);
        }
        Err(match (self.bias(tensor), self.constants.get(&tensor.id)) {
            (Some(path), _) => {
                format!("it reads the parameter {path} where a computed value is expected").into()
            }
            (None, Some(made_of)) => {
                format!("it reads a constant ({made_of}) where a computed value is expected").into()
            }
            (None, None) => "it reads a tensor that nothing makes".into(),
        })
    }

    fn define(&mut self, tensor: TensorId, shape: &[usize], kind: ValueKind) -> ValueId {
        self.values.push(Value {
            shape: shape.to_vec(),
            kind,
        });
        let value = ValueId(self.values.len() - 1);
        self.ids.insert(tensor, value);
        value
    }

    /// The value of an output of the model.
    fn given_back(&self, tensor: TensorId) -> Result<ValueId, LowerError> {
        self.ids.get(&tensor).copied().ok_or_else(|| {
            let parameter = self.captured.parameters.get(&tensor);
            LowerError {
                operation: "an output".to_owned(),
                reason: match parameter {
                    Some(path) => format!("it is the parameter {path}").into(),
                    None => "nothing computes it".into(),
                },
            }
        })
    }
}

/// Whether a parameter of some shape has a value for each channel of a map or each column of rows.
fn is_bias(shape: &[usize], summand: &[usize]) -> bool {
    match (shape, summand) {
        (&[values] | &[1, values], &[_, columns]) => values == columns,
        (&[1, values, 1, 1], &[_, channels, _, _]) => values == channels,
        _ => false,
    }
}
