//! From Burn's recorded operations to the compiler's graph.

mod element_wise;
mod maps;
mod products;
mod reductions;
mod seen;
mod views;

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use burn_ir::{
    BatchNormOpIr, CustomOpIr, FloatOperationIr, IntOperationIr, ModuleOperationIr, OperationIr,
    TensorId, TensorIr,
};

use self::seen::Seen;
use super::capture::CapturedModel;
use super::graph::{Graph, Node, Norm, Op};
use crate::kernels::chain::normalize;
use crate::ops::{self, Extension};
use crate::plan::{ConstantSource, Value, ValueId, ValueKind};

/// What is said of an operation that has no place here.
const UNKNOWN: &str = "no such operation is known";

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

/// As [`lower`], with the value that stands for each recorded tensor that is computed, and is as it was.
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
        random: BTreeSet::new(),
        constants: BTreeMap::new(),
        nodes: Vec::new(),
    };
    let inputs = captured.inputs.iter();
    let inputs = inputs
        .map(|input| lowering.define(input.tensor, &input.shape, ValueKind::Floats))
        .collect();
    let frame = captured
        .frame
        .map(|frame| lowering.define(frame, &[6], ValueKind::Frame));
    let mut place = None;
    for operation in &captured.graph.operations {
        lowering.operation(operation).map_err(|reason| LowerError {
            operation: describe(operation, &captured.parameters, place),
            reason,
        })?;
        let mut tensors = operation.inputs();
        place = tensors
            .find_map(|tensor| captured.parameters.get(&tensor.id))
            .or(place);
    }
    let outputs = captured.outputs.iter();
    let outputs = outputs.map(|output| output.try_map(|id| lowering.given_back(*id)));
    let outputs = outputs.collect::<Result<_, LowerError>>()?;
    let checked = captured.checked.iter().map(|id| lowering.given_back(*id));
    let checked = checked.collect::<Result<_, LowerError>>()?;
    let seen = lowering.ids.iter();
    let computed = seen.filter(|(_, seen)| {
        seen.view.is_identity() && !lowering.constants.contains_key(&seen.value)
    });
    let ids = computed.map(|(id, seen)| (*id, seen.value)).collect();
    let graph = Graph {
        inputs,
        frame,
        outputs,
        checked,
        values: lowering.values,
        constants: lowering.constants,
        nodes: lowering.nodes,
    };
    Ok((graph, ids))
}

/// The operation's name, and where in the module it stands: its own parameters, or the last one before it.
fn describe(
    operation: &OperationIr,
    parameters: &BTreeMap<TensorId, String>,
    before: Option<&String>,
) -> String {
    let name = match operation {
        OperationIr::Custom(custom) => custom.id.clone(),
        _ => format!("{operation:?}")
            .chars()
            .take_while(|c| *c != '{')
            .collect(),
    };
    let paths: Vec<&str> = operation
        .inputs()
        .filter_map(|tensor| Some(parameters.get(&tensor.id)?.as_str()))
        .collect();
    let output = operation.outputs().next();
    let shape = output.map_or_else(String::new, |tensor| {
        format!(" to shape {:?}", tensor.shape.to_vec())
    });
    let name = name.trim_end();
    match (paths.is_empty(), before) {
        (false, _) => format!("{name} of {}{shape}", paths.join(", ")),
        (true, Some(before)) => format!("{name}{shape} after {before}"),
        (true, None) => format!("{name}{shape}"),
    }
}

struct Lowering<'a> {
    captured: &'a CapturedModel,
    values: Vec<Value>,
    /// What stands for each tensor.
    ids: BTreeMap<TensorId, Seen>,
    /// Tensors of random values: parameters before their values come, or what cannot be compiled.
    random: BTreeSet<TensorId>,
    /// Values that are there before the first node.
    constants: BTreeMap<ValueId, ConstantSource>,
    nodes: Vec<Node>,
}

/// With the reason why not.
type Lowered<T = ()> = Result<T, Cow<'static, str>>;

impl Lowering<'_> {
    fn operation(&mut self, operation: &OperationIr) -> Lowered {
        match operation {
            // What is read of these is known by its values.
            OperationIr::Init(_) | OperationIr::Drop(_) => Ok(()),
            OperationIr::Float(_, FloatOperationIr::Random(made)) => {
                self.random.insert(made.out.id);
                Ok(())
            }
            OperationIr::Module(operation) => self.module(operation),
            OperationIr::Activation(operation) => self.activation(operation),
            OperationIr::Float(_, operation) => self.float(operation),
            OperationIr::NumericFloat(_, operation) => self.numeric(operation, false),
            OperationIr::NumericInt(_, operation) => self.numeric(operation, true),
            OperationIr::Int(IntOperationIr::IntoFloat(cast)) => self.same(&cast.input, &cast.out),
            OperationIr::Bool(operation) => self.truth(operation),
            OperationIr::BaseFloat(operation)
            | OperationIr::BaseInt(operation)
            | OperationIr::BaseBool(operation) => self.base(operation),
            OperationIr::Custom(custom) => self.custom(custom),
            _ => Err(UNKNOWN.into()),
        }
    }

    fn module(&mut self, operation: &ModuleOperationIr) -> Lowered {
        use ModuleOperationIr as Ir;
        match operation {
            Ir::BatchNorm(norm) => self.batch_norm(norm),
            Ir::LayerNorm(norm) => self.layer_norm(norm),
            Ir::Linear(linear) => self.linear(linear),
            Ir::Attention(attention) => self.attention(attention),
            _ => self.windows(operation),
        }
    }

    fn batch_norm(&mut self, norm: &BatchNormOpIr) -> Lowered {
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
        // Maps and rows, whose channels lie side by side: a convolution before may take it in.
        if matches!(norm.x.shape.num_dims(), 2 | 4) {
            let norm_of = Norm {
                path: path.to_owned(),
                eps: norm.epsilon.elem(),
            };
            return self.node(Op::BatchNorm(norm_of), &[&norm.x], &norm.out);
        }
        let channels = norm.x.shape[1];
        let mut along = vec![1; norm.x.shape.num_dims()];
        along[1] = channels;
        let mut reads = vec![self.seen(&norm.x)?];
        for tensor in [&norm.mean, &norm.variance, &norm.gamma, &norm.beta] {
            let seen = self.seen(tensor)?;
            reads.push(seen.then(|view| view.reshape(along.clone())));
        }
        self.chain_of(normalize(norm.epsilon.elem()), reads, &norm.out)
    }

    fn custom(&mut self, custom: &CustomOpIr) -> Lowered {
        let operation = ops::by_id(&custom.id).ok_or("no such operation is known")?;
        let (expected, made) = operation.signature(custom.inputs.len());
        if [expected.len(), made.len()] != [custom.inputs.len(), custom.outputs.len()] {
            return Err("it has more or fewer tensors than are known".into());
        }
        let (maps, others) = custom.inputs.split_at(operation.maps(custom.inputs.len()));
        let maps = maps.iter().map(|tensor| self.read(tensor));
        let mut inputs = maps.collect::<Lowered<Vec<_>>>()?;
        for tensor in others {
            inputs.push(self.read_where_it_lies(tensor)?);
        }
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

    /// The value of an output of the model.
    fn given_back(&mut self, tensor: TensorId) -> Result<ValueId, LowerError> {
        let of = |reason: Cow<'static, str>| LowerError {
            operation: "an output".to_owned(),
            reason,
        };
        let Some(seen) = self.ids.get(&tensor).cloned() else {
            let parameter = self.captured.parameters.get(&tensor);
            return Err(of(match parameter {
                Some(path) => format!("it is the parameter {path}").into(),
                None => "nothing computes it".into(),
            }));
        };
        self.plain(seen).map_err(of)
    }
}
