//! A model layer by layer, for people: what `fpn summary` prints. Read off the captured graph, so
//! it lists what runs, not what was declared.

mod modules;

use std::collections::{BTreeMap, HashSet};

use burn::tensor::Device;
use burn_ir::{
    ActivationOperationIr, BaseOperationIr, FloatOperationIr, ModuleOperationIr,
    NumericOperationIr, OperationIr,
};

pub use self::modules::ModuleCall;
use crate::compile::{CaptureError, capture};
use crate::models::{Model, ModelConfig, Request, parameters};

/// One operation of a forward pass.
#[derive(Clone, Debug, PartialEq)]
pub struct Layer {
    /// Path of the module whose parameters it uses; empty where it uses none.
    pub path: String,
    /// What is done.
    pub operation: String,
    /// Shape of the (first) output; where rows depend on the picture, their capacity.
    pub output: Vec<usize>,
    /// Parameters not counted before: a layer that runs on several maps counts once.
    pub parameters: usize,
    /// Floating-point operations, two for a multiplication with addition; only those of
    /// convolutions and matrix products.
    pub flop: u64,
}

/// A forward pass and its parameters.
#[derive(Clone, Debug, PartialEq)]
pub struct Summary {
    /// In the order of execution.
    pub layers: Vec<Layer>,
    /// Values that training changes, batch norms' scales and shifts included.
    pub parameters: usize,
    /// How many of these are batch norms' scales and shifts: torchvision freezes them and does not
    /// count them.
    pub batch_norm_parameters: usize,
    /// Running means and variances.
    pub statistics: usize,
}

impl Summary {
    /// Of `config` over an input of `padded` height and width.
    ///
    /// # Errors
    /// If the model cannot be captured.
    pub fn new(config: &ModelConfig, padded: [usize; 2]) -> Result<Self, CaptureError> {
        let captured = capture(config, padded, &Request::of(config.architecture))?;
        let sizes = parameter_sizes(config);
        let mut counted = HashSet::new();
        let mut layers = Vec::new();
        for operation in &captured.graph.operations {
            if is_initializer(operation) {
                continue;
            }
            let used: Vec<&String> = operation
                .inputs()
                .filter_map(|tensor| captured.parameters.get(&tensor.id))
                .collect();
            let parameters = used
                .iter()
                .filter(|path| !is_statistic(path) && counted.insert(path.as_str()))
                .map(|path| sizes[path.as_str()])
                .sum();
            let module = used.first().and_then(|path| path.rsplit_once('.'));
            let output = operation.outputs().next();
            layers.push(Layer {
                path: module.map_or_else(String::new, |(module, _)| module.to_owned()),
                operation: operation_name(operation),
                output: output.map_or_else(Vec::new, |tensor| tensor.shape.to_vec()),
                parameters,
                flop: flop(operation),
            });
        }
        let of = |keep: &dyn Fn(&str) -> bool| -> usize {
            sizes
                .iter()
                .filter(|(path, _)| keep(path))
                .map(|(_, size)| size)
                .sum()
        };
        let norms: HashSet<String> = sizes
            .keys()
            .filter_map(|path| path.strip_suffix(".running_var").map(str::to_owned))
            .collect();
        let in_norm = |path: &str| {
            path.rsplit_once('.')
                .is_some_and(|(m, _)| norms.contains(m))
        };
        Ok(Self {
            layers,
            parameters: of(&|path| !is_statistic(path)),
            batch_norm_parameters: of(&|path| in_norm(path) && !is_statistic(path)),
            statistics: of(&is_statistic),
        })
    }

    /// Floating-point operations of the whole pass.
    pub fn flop(&self) -> u64 {
        self.layers.iter().map(|layer| layer.flop).sum()
    }
}

/// Values of each parameter by path.
fn parameter_sizes(config: &ModelConfig) -> BTreeMap<String, usize> {
    let model = Model::new(config, &Device::flex());
    let mut sizes = BTreeMap::new();
    parameters::for_each(&model, |parameter| {
        sizes.insert(parameter.path, parameter.shape.iter().product());
    });
    sizes
}

fn is_statistic(path: &str) -> bool {
    path.ends_with(".running_mean") || path.ends_with(".running_var")
}

/// Whether an operation only makes a parameter's first values.
fn is_initializer(operation: &OperationIr) -> bool {
    matches!(
        operation,
        OperationIr::Init(_)
            | OperationIr::BaseFloat(BaseOperationIr::Zeros(_) | BaseOperationIr::Ones(_))
            | OperationIr::Float(_, FloatOperationIr::Random(_))
    )
}

/// The operation as PyTorch calls it; of one this crate's models do not use, Burn's description.
fn operation_name(operation: &OperationIr) -> String {
    let name = match operation {
        OperationIr::Module(ModuleOperationIr::Conv2d(_)) => "Conv2d",
        OperationIr::Module(ModuleOperationIr::ConvTranspose2d(_)) => "ConvTranspose2d",
        OperationIr::Module(ModuleOperationIr::BatchNorm(_)) => "BatchNorm2d",
        OperationIr::Module(ModuleOperationIr::MaxPool2d(_)) => "MaxPool2d",
        OperationIr::Module(ModuleOperationIr::AvgPool2d(_)) => "AvgPool2d",
        OperationIr::Module(ModuleOperationIr::AdaptiveAvgPool2d(_)) => "AdaptiveAvgPool2d",
        OperationIr::Module(ModuleOperationIr::Interpolate(_)) => "Interpolate",
        OperationIr::Activation(ActivationOperationIr::Relu(_)) => "ReLU",
        OperationIr::Activation(ActivationOperationIr::LeakyRelu(_)) => "LeakyReLU",
        OperationIr::Activation(ActivationOperationIr::HardSigmoid(_)) => "Hardsigmoid",
        OperationIr::Float(_, FloatOperationIr::Matmul(_)) => "MatMul",
        OperationIr::NumericFloat(_, NumericOperationIr::Add(_)) => "Add",
        OperationIr::NumericFloat(_, NumericOperationIr::Sub(_)) => "Sub",
        OperationIr::NumericFloat(_, NumericOperationIr::Mul(_)) => "Mul",
        OperationIr::NumericFloat(_, NumericOperationIr::MeanDim(_)) => "Mean",
        OperationIr::BaseFloat(BaseOperationIr::Reshape(_)) => "Reshape",
        OperationIr::BaseFloat(BaseOperationIr::Cat(_)) => "Concat",
        OperationIr::Custom(custom) => &custom.id,
        other => return format!("{other:?}"),
    };
    name.to_owned()
}

fn flop(operation: &OperationIr) -> u64 {
    let products = match operation {
        OperationIr::Module(ModuleOperationIr::Conv2d(conv)) => {
            let per_output = conv.weight.shape.num_elements() / conv.weight.shape[0];
            conv.out.shape.num_elements() * per_output
        }
        OperationIr::Module(ModuleOperationIr::ConvTranspose2d(conv)) => {
            let per_input = conv.weight.shape.num_elements() / conv.weight.shape[0];
            conv.x.shape.num_elements() * per_input
        }
        OperationIr::Float(_, FloatOperationIr::Matmul(product)) => {
            product.out.shape.num_elements() * product.lhs.shape[product.lhs.shape.num_dims() - 1]
        }
        _ => 0,
    };
    2 * products as u64
}
