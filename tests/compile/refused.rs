//! Graphs that would be compiled wrongly are refused, with the node and its place.

use burn::module::{Module, Param};
use burn::nn::conv::Conv2dConfig;
use burn::nn::{BatchNorm, BatchNormConfig, Linear, LinearConfig};
use burn::tensor::module::{batch_norm, interpolate};
use burn::tensor::ops::{InterpolateMode, InterpolateOptions};
use burn::tensor::{Distribution, Tensor};
use fpn_wgpu::compile::{CompileError, Node, ScheduleError, capture, check, lower};
use fpn_wgpu::models::retinaface::MOBILENET025;
use fpn_wgpu::models::{ModelConfig, Request};
use fpn_wgpu::plan::{ValueId, ValueKind};

use crate::modules::conv;
use crate::support::{captured, compiled};

const SIZE: [usize; 2] = [5, 6];

/// Why a module over one convolution is refused.
fn refusal(forward: impl Fn(Tensor<4>) -> Tensor<4>) -> String {
    let captured = captured(
        SIZE,
        |device| conv([3, 6], 1, device),
        |conv, x| vec![forward(conv.forward(x))],
    );
    compiled(&captured)
        .expect_err("it means nothing")
        .to_string()
}

#[test]
fn an_unknown_operation_is_named_with_its_shape_and_place() {
    let error = refusal(|x| x.sinh());
    assert!(
        error.contains("Sinh") && error.contains("[1, 6, 5, 6]") && error.contains("after"),
        "{error}"
    );
}

#[test]
fn an_unknown_option_of_a_known_operation_is_told() {
    let error = refusal(|x| {
        let options = InterpolateOptions::new(InterpolateMode::Bicubic).with_output_size([9, 9]);
        interpolate(x, options)
    });
    assert!(error.contains("nearest and bilinear"), "{error}");
}

#[test]
fn random_values_are_no_data() {
    let error = refusal(|x| x.clone() + x.random_like(Distribution::Default));
    assert!(error.contains("random values"), "{error}");
}

#[test]
fn a_weight_that_was_reshaped_is_refused() {
    #[derive(Module, Debug)]
    struct Reshaped {
        linear: Linear,
    }
    let captured = captured(
        [2, 2],
        |device| Reshaped {
            linear: LinearConfig::new(12, 6).init(device),
        },
        |module, x| {
            let weight = module.linear.weight.val().reshape([6, 3, 2, 2]);
            let options = burn::tensor::ops::ConvOptions::new([1, 1], [0, 0], [1, 1], 1);
            vec![burn::tensor::module::conv2d(x, weight, None, options)]
        },
    );
    let error = compiled(&captured)
        .expect_err("it means nothing")
        .to_string();
    assert!(error.contains("no parameter"), "{error}");
}

#[test]
fn a_vector_that_was_reshaped_is_no_filter() {
    #[derive(Module, Debug)]
    struct Vector {
        values: Param<Tensor<1>>,
    }
    let captured = captured(
        [2, 2],
        |device| Vector {
            values: Param::from_tensor(Tensor::zeros([12], device)),
        },
        |module, x| {
            let weight = module.values.val().reshape([4, 3, 1, 1]);
            let options = burn::tensor::ops::ConvOptions::new([1, 1], [0, 0], [1, 1], 1);
            vec![burn::tensor::module::conv2d(x, weight, None, options)]
        },
    );
    let error = compiled(&captured)
        .expect_err("it means nothing")
        .to_string();
    assert!(error.contains("no parameter"), "{error}");
}

/// Every form of the kernel would take more workgroups than WebGPU dispatches.
#[test]
fn more_pixels_than_can_be_dispatched_are_refused() {
    let captured = captured(
        [8192, 8192],
        |device| vec![conv([3, 6], 1, device)],
        |convs, x| vec![convs[0].forward(x)],
    );
    let error = compiled(&captured).expect_err("they are too many");
    let expected = ScheduleError::NoForm {
        layer: "0".to_owned(),
        pixels: 8192 * 8192,
        limit: 65_535 * 512,
    };
    assert_eq!(error, CompileError::Schedule(expected));
}

/// Only the first of several maps would be computed.
#[test]
fn as_many_items_are_made_as_are_read() {
    let captured = captured(
        [4, 4],
        |device| [conv([3, 6], 1, device), conv([6, 4], 1, device)].to_vec(),
        |convs, x| vec![convs[1].forward(convs[0].forward(x))],
    );
    let graph = lower(&captured).expect("the operations are known");
    let with = |value: ValueId| {
        let mut graph = graph.clone();
        graph.values[value.0].shape[0] = 2;
        let error = check(&graph, "lowering").expect_err("it is not known");
        error.to_string()
    };
    let picture = with(graph.inputs[0]);
    assert!(
        picture.contains("[1, 6, 4, 4] where [2, 6, 4, 4]"),
        "{picture}"
    );
    let made = with(graph.nodes[0].outputs[0]);
    assert!(
        made.contains("convolution of 0.weight") && made.contains("[2, 6, 4, 4]"),
        "{made}"
    );
}

#[test]
fn a_value_that_is_read_before_it_is_made_names_the_node() {
    let captured = captured(
        SIZE,
        |device| [conv([3, 6], 1, device), conv([6, 4], 3, device)].to_vec(),
        |convs, x| vec![convs[1].forward(convs[0].forward(x))],
    );
    let mut graph = lower(&captured).expect("the operations are known");
    graph.nodes.swap(0, 1);
    let error = check(&graph, "a pass")
        .expect_err("it is out of order")
        .to_string();
    assert!(
        error.contains("after a pass, node 0, convolution of 1.weight"),
        "{error}"
    );
    let mut graph = lower(&captured).expect("the operations are known");
    graph.nodes.remove(0);
    assert!(check(&graph, "a pass").is_err());
    graph.nodes.clear();
    let error = check(&graph, "a pass").expect_err("nothing makes the output");
    assert!(error.to_string().contains("its outputs"), "{error}");
}

#[test]
fn shapes_that_do_not_follow_name_the_node() {
    let captured = captured(
        SIZE,
        |device| {
            Conv2dConfig::new([3, 6], [3, 3])
                .with_stride([2, 2])
                .init(device)
        },
        |conv, x| vec![conv.forward(x)],
    );
    let graph = lower(&captured).expect("the operations are known");
    assert_eq!(check(&graph, "lowering"), Ok(()));
    let made = graph.nodes[0].outputs[0];
    let with = |change: &dyn Fn(&mut Vec<usize>)| {
        let mut graph = graph.clone();
        change(&mut graph.values[made.0].shape);
        check(&graph, "lowering")
            .expect_err("it does not follow")
            .problem
    };
    let taller = with(&|shape| shape[2] += 1);
    assert!(
        taller.contains("[1, 6, 3, 2] where [1, 6, 2, 2]"),
        "{taller}"
    );
    let narrower = with(&|shape| shape[1] = 4);
    assert!(narrower.contains("channels 0 to 6 of 4"), "{narrower}");
    let mut of_integers = graph.clone();
    of_integers.values[made.0].kind = ValueKind::Integers;
    let error = check(&of_integers, "lowering").expect_err("maps are floats");
    assert!(error.problem.contains("integers where floats"), "{error}");
    assert_eq!(made, ValueId(graph.values.len() - 1));
}

/// They lie in the read-back alone, where no step finds them.
#[test]
fn detections_are_read_by_nobody_else() {
    let config = ModelConfig::of(MOBILENET025);
    let captured = capture(&config, [32, 32], &Request::of(MOBILENET025));
    let captured = captured.expect("it can be captured");
    let mut graph = lower(&captured).expect("the operations are known");
    assert_eq!(check(&graph, "lowering"), Ok(()));
    let is_selection = |node: &&Node| node.outputs.len() > 1;
    let selection = graph.nodes.iter().rfind(is_selection);
    let selection = selection.expect("it selects").clone();
    graph.nodes.push(Node {
        inputs: [&selection.outputs[..], &selection.inputs[5..]].concat(),
        outputs: Vec::new(),
        ..selection
    });
    let error = check(&graph, "lowering").expect_err("there is nothing to read");
    assert!(
        error
            .problem
            .contains("it has detections where rows of candidates are expected"),
        "{}",
        error.problem
    );
}

#[test]
fn a_batch_norm_of_mixed_parameters_is_refused() {
    let captured = captured(
        SIZE,
        |device| vec![BatchNormConfig::new(3).init(device)],
        |norms: &Vec<BatchNorm>, x| {
            let norm = &norms[0];
            let (mean, variance) = (&norm.running_mean, &norm.running_var);
            // Weight and bias are swapped.
            vec![batch_norm(
                x,
                norm.beta.val(),
                norm.gamma.val(),
                mean.value(),
                variance.value(),
                1e-5,
            )]
        },
    );
    let error = lower(&captured).expect_err("it would be folded wrongly");
    assert!(error.to_string().contains("of one batch norm"), "{error}");
}
