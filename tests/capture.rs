//! Every architecture's forward pass as a graph: what compiling it may rely on.

use std::collections::{BTreeMap, BTreeSet};

use burn::tensor::{DType, Device};
use burn_ir::{
    ActivationOperationIr, BaseOperationIr, CustomOpIr, FloatOperationIr, ModuleOperationIr,
    NumericOperationIr, OperationIr, TensorId, TensorIr,
};
use fpn_wgpu::compile::{CapturedModel, GraphOutput, capture};
use fpn_wgpu::models::faster_rcnn::RESNET18_FPN;
use fpn_wgpu::models::retinaface::MOBILENET025;
use fpn_wgpu::models::{
    Architecture, Model, ModelConfig, Request, Selection, dense_detector, faster_rcnn_c4, nanodet,
    parameters,
};
use fpn_wgpu::plan::MapKind;

/// Height and width of the inputs: not square, so that a mix-up shows.
const PADDED: [usize; 2] = [64, 96];

fn config(architecture: Architecture) -> ModelConfig {
    ModelConfig::of(architecture)
}

fn captured(architecture: Architecture) -> CapturedModel {
    let request = Request::of(architecture);
    capture(&config(architecture), PADDED, &request).expect("it can be captured")
}

fn shape(tensor: &TensorIr) -> Vec<usize> {
    tensor.shape.to_vec()
}

/// The tensors that operations take and give, by identity.
fn tensors(captured: &CapturedModel) -> BTreeMap<TensorId, &TensorIr> {
    let operations = captured.graph.operations.iter();
    let tensors = operations.flat_map(OperationIr::nodes);
    tensors.map(|tensor| (tensor.id, tensor)).collect()
}

/// What a compiler has to know; `None` for anything else.
fn known(operation: &OperationIr) -> Option<&'static str> {
    Some(match operation {
        OperationIr::Module(
            ModuleOperationIr::Conv2d(_) | ModuleOperationIr::ConvTranspose2d(_),
        ) => "convolution",
        OperationIr::Module(ModuleOperationIr::BatchNorm(_)) => "batch norm",
        OperationIr::Module(ModuleOperationIr::MaxPool2d(_)) => "max pool",
        OperationIr::Module(ModuleOperationIr::Interpolate(_)) => "interpolation",
        OperationIr::Activation(ActivationOperationIr::Relu(_)) => "relu",
        OperationIr::Activation(ActivationOperationIr::LeakyRelu(_)) => "leaky relu",
        OperationIr::NumericFloat(_, NumericOperationIr::Add(_)) => "addition",
        OperationIr::Float(_, FloatOperationIr::Matmul(_)) => "matrix product",
        OperationIr::BaseFloat(BaseOperationIr::Reshape(reshape)) => {
            match (&*shape(&reshape.input), &*shape(&reshape.out)) {
                // A RoI before the first linear layer, and the bias of each.
                ([rows, c, h, w], &[r, values]) if r == *rows && values == c * h * w => "flatten",
                ([values], &[1, v]) if v == *values => "bias as a row",
                // Of two maps, whose channels come by turns.
                ([1, c, _, _], &[1, channels, 1, _, _]) if channels == *c => "one of two",
                ([1, c, 2, _, _], &[1, channels, _, _]) if channels == 2 * c => "shuffle",
                ([channels], &[1, c, 1, 1]) if c == *channels => "of channels",
                _ => return None,
            }
        }
        OperationIr::BaseFloat(BaseOperationIr::Cat(cat)) if cat.dim == 1 => "concatenation",
        OperationIr::BaseFloat(BaseOperationIr::Cat(cat)) if cat.dim == 2 => "pairs",
        // What group norms and squeeze-and-excitation are spelled out as.
        OperationIr::NumericFloat(_, NumericOperationIr::Mul(_)) => "product",
        OperationIr::NumericFloat(_, NumericOperationIr::MeanDim(_)) => "mean",
        OperationIr::Activation(ActivationOperationIr::HardSigmoid(_)) => "hard sigmoid",
        // Of the two scores of an anchor, what the sigmoid is of; of a map, half of its channels.
        OperationIr::BaseFloat(BaseOperationIr::Slice(_)) => "slice",
        OperationIr::NumericFloat(_, NumericOperationIr::Sub(_)) => "subtraction",
        OperationIr::Activation(ActivationOperationIr::Sigmoid(_)) => "sigmoid",
        OperationIr::Module(ModuleOperationIr::AdaptiveAvgPool2d(_)) => "mean",
        OperationIr::Custom(custom) if custom.id.starts_with("fpn::") => "ours",
        OperationIr::Init(_) => "input",
        _ if is_initializer(operation) => "parameter",
        _ => return None,
    })
}

/// Whether an operation stands for a parameter: it would make its first values.
fn is_initializer(operation: &OperationIr) -> bool {
    matches!(
        operation,
        OperationIr::BaseFloat(BaseOperationIr::Zeros(_) | BaseOperationIr::Ones(_))
            | OperationIr::Float(_, FloatOperationIr::Random(_))
    )
}

fn is_efpn(architecture: Architecture) -> bool {
    !architecture.specification().ftts.is_empty()
}

fn is_c4(architecture: Architecture) -> bool {
    faster_rcnn_c4::ARCHITECTURES.contains(&architecture)
}

fn is_nanodet(architecture: Architecture) -> bool {
    nanodet::ARCHITECTURES.contains(&architecture)
}

fn is_mobilenet(architecture: Architecture) -> bool {
    architecture.name().contains("mobilenet_v3")
}

#[test]
fn only_known_operations_are_recorded() {
    for architecture in Architecture::all() {
        let captured = captured(architecture);
        let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
        for operation in &captured.graph.operations {
            let known = known(operation);
            let name = known.unwrap_or_else(|| panic!("{architecture}: {operation:?}"));
            *counts.entry(name).or_default() += 1;
        }
        counts.remove("parameter");
        // A Faster R-CNN's pyramid has eight, and the RPN head three at each level.
        let convolutions = match architecture.name() {
            // The stem, blocks of two, a projection in each stage.
            "pyramid_tiny" => 1 + 14 + 4 + 8 + 3 * 5,
            "fasterrcnn_resnet18_fpn" => 20 + 8 + 3 * 5,
            "fasterrcnn_resnet34_fpn" => 36 + 8 + 3 * 5,
            "fasterrcnn_resnet50_fpn" => 53 + 8 + 3 * 5,
            "fasterrcnn_resnet101_fpn" => 104 + 8 + 3 * 5,
            "fasterrcnn_resnet152_fpn" => 155 + 8 + 3 * 5,
            // Neither bias nor batch norm changes how many there are; the RPN head is deeper, and so is the box head.
            "fasterrcnn_resnet50_fpn_v2" => 53 + 8 + 4 * 5 + 4,
            "fasterrcnn_resnext50_32x4d_fpn" => 53 + 8 + 3 * 5,
            "fasterrcnn_resnext101_32x8d_fpn" => 104 + 8 + 3 * 5,
            // Three a block, but for the first, two in each of eight that scale, stem and last; two levels.
            "fasterrcnn_mobilenet_v3_large_fpn" | "fasterrcnn_mobilenet_v3_large_320_fpn" => {
                3 * 15 - 1 + 2 * 8 + 2 + 4 + 3 * 3
            }
            "maskrcnn_resnet50_fpn" => 53 + 8 + 3 * 5 + 6,
            "maskrcnn_resnet50_fpn_v2" => 53 + 8 + 4 * 5 + 4 + 6,
            "keypointrcnn_resnet50_fpn" => 53 + 8 + 3 * 5 + 9,
            // Three levels, two more, two towers and what they end in.
            "retinanet_resnet50_fpn" | "retinanet_resnet50_fpn_v2" => 53 + 6 + 2 + 10 * 5,
            "fcos_resnet50_fpn" => 53 + 6 + 2 + 11 * 5,
            // All of a ResNet, and the RPN head once.
            "fasterrcnn_c4_resnet50" => 53 + 3,
            "fasterrcnn_c4_resnet101" => 104 + 3,
            "fasterrcnn_c4_resnet152" => 155 + 3,
            // Body, pyramid, context modules, heads.
            "retinaface_mobilenet025" => 27 + 5 + 15 + 9,
            "fpn_resnet50" => 53 + 7,
            "fpn_resnet101" => 104 + 7,
            "fpn_resnet152" => 155 + 7,
            "detectron2_faster_rcnn_fpn" => 53 + 8 + 3 * 5,
            // A stage more, which is one convolution, and its level.
            "efpn_resnext50" => 53 + 1 + 10 + 3 * 5,
            "efpn_resnext101" => 104 + 1 + 10 + 3 * 5,
            // The stem, blocks of two, projections, the stage of one; the pyramid; the RPN head.
            "efpn_tiny" => 1 + 14 + 4 + 1 + 10 + 3 * 5,
            // The stem, units of three, two more in the first of a stage; laterals or reductions, four blocks of six and
            // four separable ones; two separable ones and a last one a level.
            name if is_nanodet(architecture) => match name.contains("plus") {
                true => 1 + 3 * 16 + 2 * 3 + 3 + 4 * 6 + 4 * 2 + 4 * 5,
                false => 1 + 3 * 16 + 2 * 3 + 3 + 3 * 5,
            },
            other => panic!("how many has {other}?"),
        };
        assert_eq!(counts["convolution"], convolutions, "{architecture}");
        let others = [
            "interpolation",
            "max pool",
            "matrix product",
            "flatten",
            "concatenation",
            "slice",
            "subtraction",
            "sigmoid",
            "mean",
        ];
        let found = others.map(|name| counts.get(name).copied().unwrap_or_default());
        let expected = match architecture.selection() {
            None => [3, 1, 0, 0, 0, 0, 0, 0, 0],
            // Its stem has no pool.
            Some(_) if is_efpn(architecture) => [4, 1, 4, 1, 0, 0, 0, 0, 0],
            Some(_) if is_c4(architecture) => [0, 1, 2, 1, 0, 2, 1, 1, 1],
            Some(_) if is_mobilenet(architecture) => [1, 1, 4, 1, 0, 0, 0, 0, 16],
            // The second version's box head has one layer less.
            Some(_) if architecture.name().starts_with("keypoint") => [4, 2, 4, 1, 0, 0, 0, 0, 0],
            Some(_) if architecture.is_two_stage() && architecture.name().ends_with("v2") => {
                [3, 2, 3, 1, 0, 0, 0, 0, 0]
            }
            Some(_) if architecture.is_two_stage() => [3, 2, 4, 1, 0, 0, 0, 0, 0],
            Some(_) if dense_detector::ARCHITECTURES.contains(&architecture) => {
                // Two a level and tower convolution are of group norms.
                let norms = match architecture.name() {
                    "retinanet_resnet50_fpn" => 0,
                    _ => 2 * 4 * 5,
                };
                [2, 1, 0, 0, 0, 0, norms, 0, 0]
            }
            // Halves of both branches, but for what a stage begins with.
            Some(_) if is_nanodet(architecture) => match architecture.name().contains("plus") {
                true => [2, 1, 0, 0, 3 * 4, 4 * 13, 0, 0, 0],
                false => [4, 1, 0, 0, 0, 4 * 13, 0, 0, 0],
            },
            Some(_) => [2, 0, 0, 0, 3, 0, 0, 0, 0],
        };
        assert_eq!(found, expected, "{architecture}: {others:?}");
    }
}

#[test]
fn inputs_and_outputs_are_declared() {
    for architecture in Architecture::all() {
        let captured = captured(architecture);
        let tensors = tensors(&captured);
        let describe = |ids: &[TensorId]| -> Vec<(Vec<usize>, DType)> {
            let described = ids.iter().map(|id| tensors[id]);
            described
                .map(|tensor| (shape(tensor), tensor.dtype))
                .collect()
        };
        let [height, width] = PADDED;
        assert_eq!(
            describe(&captured.graph.inputs),
            [
                (vec![1, 3, height, width], DType::F32),
                (vec![6], DType::F32)
            ],
            "{architecture}"
        );
        let detections = architecture.selection().map(|selection| {
            let landmarks = match architecture == MOBILENET025 {
                true => 10,
                false => 0,
            };
            vec![selection.limit, 4 + landmarks]
        });
        let instances = match architecture.name() {
            name if name.starts_with("maskrcnn") => Some(vec![100, 28 * 28]),
            name if name.starts_with("keypointrcnn") => Some(vec![100, 3 * 17]),
            _ => None,
        };
        let outputs = captured.outputs.iter();
        let (maps, others): (Vec<_>, Vec<_>) =
            outputs.partition(|output| matches!(output, GraphOutput::Map(..)));
        let rows: Vec<TensorId> = others
            .into_iter()
            .map(|output| match output {
                GraphOutput::Detections(rows) | GraphOutput::Instances(_, rows) => *rows,
                other => panic!("{architecture}: {other:?}"),
            })
            .collect();
        let expected: Vec<_> = detections
            .into_iter()
            .chain(instances)
            .map(|shape| (shape, DType::F32))
            .collect();
        assert_eq!(describe(&rows), expected, "{architecture}");
        let pyramid: Vec<TensorId> = maps
            .into_iter()
            .map(|output| match output {
                GraphOutput::Map(info, map) => {
                    assert_eq!(info.kind, MapKind::Pyramid);
                    *map
                }
                other => panic!("{architecture}: {other:?}"),
            })
            .collect();
        let channels = match architecture.name() {
            "pyramid_tiny" | "efpn_tiny" => 48,
            "retinaface_mobilenet025" => 64,
            name if name.starts_with("nanodet_plus_m_1.5x") => 128,
            _ if is_nanodet(architecture) => 96,
            _ if is_c4(architecture) => 1024,
            _ => 256,
        };
        let expected: Vec<_> = architecture
            .levels()
            .map(|level| {
                // C4's stem pools without padding, which at this size comes to the same.
                let stride = match is_efpn(architecture) {
                    true => 1 << (level - 1),
                    // Its last two stages have one stride.
                    false if is_mobilenet(architecture) && level == 4 => 32,
                    false => 1 << level,
                };
                let [height, width] = PADDED.map(|side| side.div_ceil(stride));
                (vec![1, channels, height, width], DType::F32)
            })
            .collect();
        assert_eq!(describe(&pyramid), expected, "{architecture}");
    }
}

#[test]
fn every_parameter_is_named_once_and_used() {
    for architecture in Architecture::all() {
        let captured = captured(architecture);
        let mut expected: BTreeMap<String, Vec<usize>> = BTreeMap::new();
        parameters::for_each(
            &Model::new(&config(architecture), &Device::flex()),
            |parameter| {
                let twice = expected.insert(parameter.path, parameter.shape);
                assert_eq!(twice, None, "{architecture}");
            },
        );
        let names: BTreeSet<&String> = captured.parameters.values().collect();
        assert_eq!(names.len(), captured.parameters.len(), "{architecture}");
        assert_eq!(names, expected.keys().collect(), "{architecture}");

        let made = captured.graph.operations.iter();
        let made: BTreeSet<TensorId> = made
            .filter(|operation| is_initializer(operation))
            .flat_map(OperationIr::outputs)
            .map(|tensor| tensor.id)
            .collect();
        let named: BTreeSet<TensorId> = captured.parameters.keys().copied().collect();
        assert_eq!(made, named, "{architecture}");

        let mut unused = named;
        for tensor in captured
            .graph
            .operations
            .iter()
            .flat_map(OperationIr::inputs)
        {
            if let Some(path) = captured.parameters.get(&tensor.id) {
                unused.remove(&tensor.id);
                let mut shape = shape(tensor);
                // Burn keeps a linear layer's weight as [in, out].
                if shape.len() == 2 {
                    shape.reverse();
                }
                assert_eq!(shape, expected[path], "{architecture}: {path}");
            }
        }
        assert!(unused.is_empty(), "{architecture}: {unused:?}");
    }
}

/// Of the frame's four values there are some, of the picture and of parameters none.
#[test]
fn no_values_of_parameters_are_recorded() {
    for architecture in Architecture::all() {
        let captured = captured(architecture);
        let operations = captured.graph.operations.iter();
        let recorded: Vec<TensorId> = operations
            .filter_map(|operation| match operation {
                OperationIr::Init(init) => Some(init.out.id),
                _ => None,
            })
            .collect();
        assert_eq!(recorded, captured.graph.inputs[1..], "{architecture}");
    }
}

/// Name and shapes of the outputs of each operation of ours, in order.
fn ours(captured: &CapturedModel) -> Vec<(&str, Vec<Vec<usize>>)> {
    let operations = captured.graph.operations.iter();
    operations
        .filter_map(|operation| match operation {
            OperationIr::Custom(CustomOpIr { id, outputs, .. }) => {
                Some((id.as_str(), outputs.iter().map(shape).collect()))
            }
            _ => None,
        })
        .collect()
}

/// Shapes of at most `capacity` candidates of `width` values: rows, scores, labels, levels, count.
fn candidates(capacity: usize, width: usize) -> Vec<Vec<usize>> {
    let column = vec![capacity];
    vec![
        vec![capacity, width],
        column.clone(),
        column.clone(),
        column,
        vec![1],
    ]
}

#[test]
fn faster_rcnn_has_room_for_every_score_above_the_threshold() {
    // Of COCO's 90 classes less than 20 can score above 0.05 at once, less than 2 above 0.5, all
    // above 0.
    for (score_threshold, classes) in [(0.05, 20), (0.5, 2), (0.0, 90)] {
        let selection = Selection {
            score_threshold,
            nms_threshold: 0.5,
            limit: 17,
            proposals: 1000,
        };
        let request = Request {
            selection: Some(selection),
            ..Request::of(RESNET18_FPN)
        };
        let captured = capture(&config(RESNET18_FPN), PADDED, &request);
        let captured = captured.expect("it can be captured");
        let expected = [
            (
                "fpn::select_proposals",
                vec![vec![1000, 4], vec![1000], vec![1]],
            ),
            ("fpn::roi_align", vec![vec![1000, 256, 7, 7]]),
            ("fpn::decode_rois", candidates(1000 * classes, 4)),
            ("fpn::select_detections", candidates(17, 4)),
        ];
        assert_eq!(ours(&captured), expected, "above {score_threshold}");
    }
}

#[test]
fn retinaface_has_room_for_every_anchor() {
    // Two anchors a cell; its inputs are not padded, so sides are rounded up at each level.
    for (padded, cells) in [
        (PADDED, 8 * 12 + 4 * 6 + 2 * 3),
        ([61, 97], 8 * 13 + 4 * 7 + 2 * 4),
        ([1, 1], 3),
    ] {
        let request = Request::of(MOBILENET025);
        let captured = capture(&config(MOBILENET025), padded, &request);
        let captured = captured.expect("it can be captured");
        let expected = [
            ("fpn::decode_anchors", candidates(2 * cells, 14)),
            ("fpn::select_detections", candidates(750, 14)),
        ];
        assert_eq!(ours(&captured), expected, "{padded:?}");
    }
}
