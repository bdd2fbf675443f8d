//! From Burn's recorded operations to the compiler's graph.

use std::borrow::Cow;
use std::collections::BTreeMap;

use burn_ir::{
    ActivationOperationIr, BaseOperationIr, BinaryOpIr, Conv2dOpIr, CustomOpIr, FloatOperationIr,
    InterpolateModeIr, InterpolateOpIr, MaxPool2dOpIr, ModuleOperationIr, NumericOperationIr,
    OperationIr, ScalarIr, TensorId, TensorIr,
};

use super::capture::CapturedModel;
use super::graph::{Conv, ConvKind, Epilogue, Graph, Node, Norm, Op, ValueId, Window};
use crate::ops::anchor_decode::AnchorDecodeOptions;
use crate::ops::proposals::ProposalOptions;
use crate::ops::roi_align::RoiAlignOptions;
use crate::ops::roi_decode::RoiDecodeOptions;
use crate::ops::select::SelectOptions;

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
    let [image, frame] = captured.graph.inputs[..] else {
        unreachable!("a captured model has two inputs")
    };
    let mut lowering = Lowering {
        values: Vec::new(),
        ids: BTreeMap::new(),
        parameters: captured.parameters.clone(),
        frame,
        nodes: Vec::new(),
    };
    for operation in &captured.graph.operations {
        lowering.operation(operation).map_err(|reason| LowerError {
            operation: describe(operation, &captured.parameters),
            reason,
        })?;
    }
    let id = |tensor: &TensorId| lowering.ids[tensor];
    let detections: Vec<ValueId> = captured.graph.outputs.iter().map(id).collect();
    Ok(Graph {
        image: id(&image),
        pyramid: captured.pyramid.iter().map(id).collect(),
        detections: detections
            .try_into()
            .expect("a captured model has five outputs"),
        values: lowering.values,
        nodes: lowering.nodes,
    })
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
    match paths.is_empty() {
        true => name.trim_end().to_owned(),
        false => format!("{} of {}", name.trim_end(), paths.join(", ")),
    }
}

struct Lowering {
    values: Vec<Vec<usize>>,
    ids: BTreeMap<TensorId, ValueId>,
    /// Parameters, and their reshaped views.
    parameters: BTreeMap<TensorId, String>,
    frame: TensorId,
    nodes: Vec<Node>,
}

/// With the reason why not.
type Lowered<T = ()> = Result<T, Cow<'static, str>>;

impl Lowering {
    fn operation(&mut self, operation: &OperationIr) -> Lowered {
        match operation {
            // What a parameter is first filled with.
            OperationIr::BaseFloat(BaseOperationIr::Zeros(_) | BaseOperationIr::Ones(_))
            | OperationIr::Float(_, FloatOperationIr::Random(_)) => Ok(()),
            OperationIr::Init(init) => {
                self.value(&init.out);
                Ok(())
            }
            OperationIr::Module(ModuleOperationIr::Conv2d(conv)) => self.conv(conv),
            OperationIr::Module(ModuleOperationIr::BatchNorm(norm)) => {
                let path = self.parameter(&norm.mean)?;
                let path = path
                    .strip_suffix(".running_mean")
                    .ok_or("its statistics are not a batch norm's")?;
                let norm_of = Norm {
                    path: path.to_owned(),
                    eps: norm.epsilon.elem(),
                };
                self.node(Op::BatchNorm(norm_of), &[&norm.x], &[&norm.out])
            }
            OperationIr::Module(ModuleOperationIr::MaxPool2d(pool)) => self.max_pool(pool),
            OperationIr::Module(ModuleOperationIr::Interpolate(resize)) => self.upsample(resize),
            OperationIr::Activation(ActivationOperationIr::Relu(relu)) => {
                self.node(Op::Activation(0.0), &[&relu.input], &[&relu.out])
            }
            OperationIr::Activation(ActivationOperationIr::LeakyRelu(relu)) => {
                self.node(Op::Activation(relu.rhs.elem()), &[&relu.lhs], &[&relu.out])
            }
            OperationIr::Float(_, FloatOperationIr::Matmul(product)) => {
                let conv = Conv {
                    weight: self.parameter(&product.rhs)?,
                    kind: ConvKind::Linear(None),
                    bias: None,
                    norm: None,
                    epilogue: Epilogue::PLAIN,
                    first_channel: 0,
                };
                self.node(Op::Conv(conv), &[&product.lhs], &[&product.out])
            }
            OperationIr::NumericFloat(_, NumericOperationIr::Add(add)) => self.add(add),
            OperationIr::BaseFloat(BaseOperationIr::Reshape(reshape)) => {
                if let Some(path) = self.parameters.get(&reshape.input.id).cloned() {
                    self.parameters.insert(reshape.out.id, path);
                    return Ok(());
                }
                let flattens = reshape.input.shape.num_dims() == 4
                    && reshape.out.shape.num_dims() == 2
                    && reshape.input.shape[0] == reshape.out.shape[0];
                match flattens {
                    true => self.node(Op::Flatten, &[&reshape.input], &[&reshape.out]),
                    false => Err("only the flattening of maps is known".into()),
                }
            }
            OperationIr::BaseFloat(BaseOperationIr::Cat(cat)) => match cat.dim {
                1 => {
                    let inputs: Vec<&TensorIr> = cat.tensors.iter().collect();
                    self.node(Op::Concat, &inputs, &[&cat.out])
                }
                _ => Err("only channels can be stacked".into()),
            },
            OperationIr::Custom(custom) => self.custom(custom),
            _ => Err("no such operation is known".into()),
        }
    }

    fn conv(&mut self, conv: &Conv2dOpIr) -> Lowered {
        let options = &conv.options;
        if options.dilation != [1, 1] {
            return Err("dilation is not known".into());
        }
        let [(top, bottom), (left, right)] = options.padding;
        if top < bottom || left < right {
            return Err("more padding below or right than above or left is not known".into());
        }
        let shape = &conv.weight.shape;
        let window = Window {
            kernel: [shape[2], shape[3]],
            stride: options.stride,
            padding: [top, left],
        };
        let kind = match options.groups {
            1 => ConvKind::Dense(window),
            groups if groups == conv.x.shape[1] && groups == shape[0] => {
                ConvKind::Depthwise(window)
            }
            groups => {
                let [inputs, outputs] = [shape[1], shape[0] / groups];
                if inputs % 4 != 0 || outputs % 4 != 0 {
                    let found = format!(
                        "each of its {groups} groups makes {outputs} channels of {inputs}, where only \
                         multiples of 4 are known, and 1 of 1 in as many groups as channels"
                    );
                    return Err(found.into());
                }
                ConvKind::Grouped(window, groups)
            }
        };
        let lowered = Conv {
            weight: self.parameter(&conv.weight)?,
            kind,
            bias: conv
                .bias
                .as_ref()
                .map(|bias| self.parameter(bias))
                .transpose()?,
            norm: None,
            epilogue: Epilogue::PLAIN,
            first_channel: 0,
        };
        self.node(Op::Conv(lowered), &[&conv.x], &[&conv.out])
    }

    fn max_pool(&mut self, pool: &MaxPool2dOpIr) -> Lowered {
        if pool.dilation != [1, 1] || pool.ceil_mode {
            return Err("dilation and ceil mode are not known".into());
        }
        let window = Window {
            kernel: pool.kernel_size,
            stride: pool.stride,
            padding: pool.padding,
        };
        self.node(Op::MaxPool(window), &[&pool.x], &[&pool.out])
    }

    fn upsample(&mut self, resize: &InterpolateOpIr) -> Lowered {
        match resize.options.mode {
            InterpolateModeIr::Nearest => self.node(Op::Upsample, &[&resize.x], &[&resize.out]),
            _ => Err("only nearest interpolation is known".into()),
        }
    }

    fn add(&mut self, add: &BinaryOpIr) -> Lowered {
        match self.parameters.get(&add.rhs.id).cloned() {
            Some(bias) if add.rhs.shape.num_elements() == add.lhs.shape[1] => {
                self.node(Op::AddBias(bias), &[&add.lhs], &[&add.out])
            }
            Some(_) => Err("a bias has one value a channel".into()),
            None if add.lhs.shape == add.rhs.shape => {
                self.node(Op::Add, &[&add.lhs, &add.rhs], &[&add.out])
            }
            None => Err("of sums of different shapes only a bias is known".into()),
        }
    }

    fn custom(&mut self, custom: &CustomOpIr) -> Lowered {
        let scalars: &[ScalarIr] = &custom.scalars;
        let op = match custom.id.as_str() {
            "fpn::select_proposals" => Op::SelectProposals(ProposalOptions::from_scalars(scalars)),
            "fpn::roi_align" => Op::RoiAlign(RoiAlignOptions::from_scalars(scalars)),
            "fpn::decode_rois" => Op::DecodeRois(RoiDecodeOptions::from_scalars(scalars)),
            "fpn::decode_anchors" => Op::DecodeAnchors(AnchorDecodeOptions::from_scalars(scalars)),
            "fpn::select_detections" => Op::SelectDetections(SelectOptions::from_scalars(scalars)),
            _ => return Err("no such operation is known".into()),
        };
        // Every kernel that needs the frame has it at hand.
        let inputs: Vec<&TensorIr> = custom
            .inputs
            .iter()
            .filter(|tensor| tensor.id != self.frame)
            .collect();
        let outputs: Vec<&TensorIr> = custom.outputs.iter().collect();
        self.node(op, &inputs, &outputs)
    }

    fn parameter(&self, tensor: &TensorIr) -> Lowered<String> {
        let path = self.parameters.get(&tensor.id).cloned();
        path.ok_or("it computes with something that is no parameter where one is expected".into())
    }

    fn node(&mut self, op: Op, inputs: &[&TensorIr], outputs: &[&TensorIr]) -> Lowered {
        let inputs = inputs.iter().map(|tensor| self.value(tensor)).collect();
        let outputs = outputs.iter().map(|tensor| self.value(tensor)).collect();
        self.nodes.push(Node {
            op,
            inputs,
            outputs,
        });
        Ok(())
    }

    fn value(&mut self, tensor: &TensorIr) -> ValueId {
        *self.ids.entry(tensor.id).or_insert_with(|| {
            self.values.push(tensor.shape.to_vec());
            ValueId(self.values.len() - 1)
        })
    }
}

#[cfg(test)]
mod tests {
    use burn::backend::Capture;
    use burn::tensor::activation::{gelu, sigmoid};
    use burn::tensor::{Device, Tensor};

    use super::*;

    /// A graph of one operation between an input of `[1, 4, 2, 2]` and an output.
    fn captured(operation: impl Fn(Tensor<4>) -> Tensor<4>) -> CapturedModel {
        let id = |tensor: &Tensor<4>| tensor.clone().try_into_primitive::<Capture>().unwrap().id();
        let device = Device::capture();
        let outside = Tensor::<4>::zeros([1, 4, 2, 2], &Device::flex());
        let recorded = device.capture_scope(|scope| {
            let [image, frame] = [outside.clone(), outside.clone()].map(|x| x.to_device(&device));
            let output = operation(image.clone());
            scope.complete([id(&image), id(&frame)], [id(&output)])
        });
        CapturedModel {
            graph: recorded.unwrap().graph,
            parameters: BTreeMap::new(),
            pyramid: Vec::new(),
        }
    }

    #[test]
    fn an_unknown_operation_is_named() {
        let error = lower(&captured(sigmoid)).unwrap_err().to_string();
        assert!(
            error.contains("Sigmoid") && error.contains("no such operation"),
            "{error}"
        );
        let error = lower(&captured(gelu)).unwrap_err().to_string();
        assert!(error.contains("Gelu"), "{error}");
    }

    #[test]
    fn an_unknown_option_of_a_known_operation_is_told() {
        let error = lower(&captured(|x| Tensor::cat(vec![x.clone(), x], 2))).unwrap_err();
        assert_eq!(error.reason, "only channels can be stacked");
    }
}
