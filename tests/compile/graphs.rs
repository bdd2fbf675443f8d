//! Graphs that were altered by hand: what a pass that errs would make is found, and named.

use burn::tensor::Tensor;
use burn_ir::ScalarIr;
use fpn_wgpu::compile::{
    CapturedModel, Conv, ConvKind, Graph, GraphOutput, Op, ScheduleError, Source, Target, capture,
    check, lower, optimize, schedule,
};
use fpn_wgpu::models::faster_rcnn::{PYRAMID_TINY, RESNET18_FPN};
use fpn_wgpu::models::retinaface::MOBILENET025;
use fpn_wgpu::models::{Architecture, ModelConfig, Request, Stage};
use fpn_wgpu::ops::pixel_shuffle::pixel_shuffle;
use fpn_wgpu::ops::window_attention::{WindowAttentionOptions, Windows, window_attention};
use fpn_wgpu::plan::{MapInfo, MapKind, ValueId};

use crate::modules::conv;
use crate::support::captured;

/// A model's graph as it was captured.
fn lowered(architecture: Architecture, request: &Request) -> Graph {
    let config = ModelConfig::of(architecture);
    let captured = capture(&config, [64, 64], request).expect("it can be captured");
    lower(&captured).expect("the operations are known")
}

fn detector(architecture: Architecture) -> Graph {
    let graph = lowered(architecture, &Request::of(architecture));
    assert_eq!(check(&graph, "lowering"), Ok(()));
    graph
}

/// What is wrong with a graph.
fn problem(graph: &Graph) -> String {
    let error = check(graph, "a pass").expect_err("it means something else");
    error.problem
}

/// The index of the only node that runs an operation of ours.
fn index_of(graph: &Graph, id: &str) -> usize {
    let is_it = |op: &Op| matches!(op, Op::Extension(own) if own.operation.id() == id);
    let mut nodes = graph.nodes.iter();
    nodes.position(|node| is_it(&node.op)).expect("it is there")
}

fn map_info() -> MapInfo {
    MapInfo {
        name: "map".to_owned(),
        kind: MapKind::Pyramid,
        level: 2,
        stride: 4,
    }
}

#[test]
fn what_is_given_back_is_what_it_is_given_as() {
    let graph = detector(PYRAMID_TINY);
    let decode = &graph.nodes[index_of(&graph, "fpn::decode_rois")];
    let [logits, _, boxes, levels, count, _] = decode.inputs[..] else {
        panic!("RoI decoding has six inputs")
    };
    let giving = |output: GraphOutput| {
        let outputs = vec![output];
        check(
            &Graph {
                outputs,
                ..graph.clone()
            },
            "a pass",
        )
        .map_err(|error| error.problem)
    };
    let candidates = decode.outputs[0];
    let as_map = giving(GraphOutput::Map(map_info(), candidates));
    assert!(
        as_map.is_err_and(|told| told.contains("rows of candidates are given back where floats")),
    );
    let rois = graph.nodes[index_of(&graph, "fpn::roi_align")].outputs[0];
    for several in [rois, logits] {
        let as_map = giving(GraphOutput::Map(map_info(), several));
        assert!(as_map.is_err_and(|told| told.contains("[1, C, H, W]")));
    }
    let as_detections = giving(GraphOutput::Detections(candidates));
    assert!(as_detections.is_err_and(|told| told.contains("where detections are expected")));
    assert_eq!(
        giving(GraphOutput::Proposals([boxes, levels, count])),
        Ok(())
    );
    for [boxes, levels, count] in [[logits, levels, count], [boxes, count, levels]] {
        let told = giving(GraphOutput::Proposals([boxes, levels, count]));
        assert!(told.is_err_and(|told| told.contains("[R, 4], [R] and [1] are expected")));
    }
    let mut checking = graph.clone();
    checking.checked.push(levels);
    assert!(problem(&checking).contains("integers are given back where floats"));
}

#[test]
fn a_value_that_does_not_exist_is_told() {
    let graph = detector(MOBILENET025);
    let none = ValueId(graph.values.len());
    let mut reading = graph.clone();
    reading.nodes[0].inputs[0] = none;
    let mut looking = graph.clone();
    looking.checked.push(none);
    for graph in [reading, looking] {
        assert!(problem(&graph).contains("there is no value"));
    }
    let mut vector = graph.clone();
    vector.values[graph.inputs[0].0].shape = vec![3];
    assert!(problem(&vector).contains("maps, [N, C, H, W], are expected"));
    let mut flat = graph.clone();
    let made = flat.nodes[0].outputs[0];
    flat.values[made.0].shape = vec![1, 8];
    assert!(!problem(&flat).is_empty());
    let none = schedule(
        &flat,
        &|_| Stage::Backbone,
        Source::Given,
        &Target::webgpu(),
    );
    assert!(matches!(none, Err(ScheduleError::Graph(_))), "{none:?}");
}

#[test]
fn dense_convolutions_alone_shuffle() {
    let captured = captured(
        [4, 4],
        |device| conv([3, 12], 1, device),
        |conv, x| vec![pixel_shuffle(conv.forward(x), 2)],
    );
    let graph = lower(&captured).expect("the operations are known");
    let graph = optimize(graph).expect("it means something");
    assert_eq!(graph.nodes.len(), 1);
    let with = |change: &dyn Fn(&mut Conv)| {
        let mut graph = graph.clone();
        let Op::Conv(conv) = &mut graph.nodes[0].op else {
            panic!("a convolution")
        };
        change(conv);
        problem(&graph)
    };
    let by_three = with(&|conv| conv.epilogue.shuffle = 3);
    assert!(by_three.contains("[1, 3, 12, 12] follows"), "{by_three}");
    let grouped = with(&|conv| conv.kind = ConvKind::Grouped(conv.kind.window(), 3));
    assert!(grouped.contains("only dense convolutions do"), "{grouped}");
}

/// Two convolutions that write side by side.
fn side_by_side() -> Graph {
    let captured = captured(
        [5, 6],
        |device| [conv([3, 8], 1, device), conv([3, 4], 1, device)].to_vec(),
        |convs, x| {
            let parts = convs.iter().map(|conv| conv.forward(x.clone()));
            vec![Tensor::cat(parts.collect(), 1)]
        },
    );
    let graph = lower(&captured).expect("the operations are known");
    optimize(graph).expect("it means something")
}

#[test]
fn the_parts_of_a_map_do_not_overlap_and_leave_nothing_out() {
    let graph = side_by_side();
    assert_eq!(graph.nodes.len(), 2);
    let with = |change: &dyn Fn(&mut Conv)| {
        let mut graph = graph.clone();
        let Op::Conv(conv) = &mut graph.nodes[1].op else {
            panic!("a convolution")
        };
        change(conv);
        problem(&graph)
    };
    assert!(with(&|conv| conv.first_channel = 4).contains("again"));
    assert!(with(&|conv| conv.out_channels = 3).contains("nothing makes all of"));
    let mut partial = graph.clone();
    partial.nodes.pop();
    assert!(problem(&partial).contains("nothing makes all of"));
}

#[test]
fn candidates_are_not_taken_apart() {
    let graph = detector(MOBILENET025);
    let select = index_of(&graph, "fpn::select_detections");
    let mut swapped = graph.clone();
    swapped.nodes[select].inputs.swap(1, 2);
    assert!(problem(&swapped).contains("apart"));
    let mut shorter = graph.clone();
    let scores = graph.nodes[select].inputs[1];
    shorter.values[scores.0].shape = vec![1];
    assert!(problem(&shorter).contains("candidates of"));
}

/// Attention within windows of four, with a convolution's map as queries, keys and values.
fn captured_attention() -> CapturedModel {
    let options = WindowAttentionOptions {
        heads: 2,
        window: 4,
        windows: Windows::Shifted(2),
    };
    captured(
        [4, 8],
        |device| conv([3, 24], 1, device),
        |conv, x| {
            let bias = Tensor::zeros([options.positions().pow(2), 2], &x.device());
            vec![window_attention(conv.forward(x), bias, options)]
        },
    )
}

#[test]
fn operations_of_ours_check_what_they_make() {
    let captured = captured(
        [4, 4],
        |device| conv([3, 8], 1, device),
        |conv, x| vec![pixel_shuffle(conv.forward(x), 2)],
    );
    let graph = lower(&captured).expect("the operations are known");
    let with = |change: &dyn Fn(&mut Graph)| {
        let mut graph = graph.clone();
        change(&mut graph);
        problem(&graph)
    };
    let made = graph.nodes[1].outputs[0];
    let narrower = with(&|graph| graph.values[made.0].shape[3] = 4);
    assert!(narrower.contains("[1, 2, 8, 8] follows"), "{narrower}");
    let by_three = with(&|graph| {
        if let Op::Extension(shuffle) = &mut graph.nodes[1].op {
            shuffle.scalars = vec![ScalarIr::UInt(3)];
        }
    });
    assert!(by_three.contains("squares of 3 by 3"), "{by_three}");

    let captured = captured_attention();
    let graph = lower(&captured).expect("the operations are known");
    let with = |change: &dyn Fn(&mut Graph)| {
        let mut graph = graph.clone();
        change(&mut graph);
        problem(&graph)
    };
    let index = index_of(&graph, "fpn::window_attention");
    let attention = graph.nodes[index].clone();
    let overlapping = with(&|graph| {
        if let Op::Extension(attention) = &mut graph.nodes[index].op {
            attention.scalars[2..4].copy_from_slice(&[ScalarIr::Bool(true), ScalarIr::UInt(7)]);
        }
    });
    let told = "keys in windows of 7 around windows of 4: expected an even number more";
    assert!(overlapping.contains(told), "{overlapping}");
    let windows = with(&|graph| {
        if let Op::Extension(attention) = &mut graph.nodes[index].op {
            attention.scalars[1] = ScalarIr::UInt(3);
        }
    });
    assert!(windows.contains("divides a map of 4 by 8"), "{windows}");
    let narrower = with(&|graph| graph.values[attention.outputs[0].0].shape[1] = 4);
    assert!(narrower.contains("[1, 8, 4, 8] follows"), "{narrower}");

    let graph = detector(PYRAMID_TINY);
    let align = graph.nodes[index_of(&graph, "fpn::roi_align")].clone();
    let mut columns = graph.clone();
    columns.values[align.inputs[4].0].shape[1] = 5;
    let told = problem(&columns);
    assert!(
        told.contains("[R, 4]") || told.contains(", 4], ["),
        "{told}"
    );
    let mut cells = graph.clone();
    cells.values[align.outputs[0].0].shape[2] = 6;
    assert!(problem(&cells).contains("follows from [R, 4] and [1]"));
}

/// Maps of one kind do not pay for others.
#[test]
fn what_is_not_asked_for_is_not_computed() {
    for (kinds, stages) in [
        (vec![], vec![]),
        (vec![MapKind::Input], vec![]),
        (vec![MapKind::Features], vec![Stage::Backbone]),
        (
            vec![MapKind::Pyramid],
            vec![Stage::Backbone, Stage::Pyramid],
        ),
    ] {
        let graph = lowered(RESNET18_FPN, &Request::maps(kinds.clone()));
        let graph = optimize(graph).expect("it means something");
        let stage = |weight: &str| RESNET18_FPN.stage(weight);
        let plan = schedule(&graph, &stage, Source::Given, &Target::webgpu());
        let plan = plan.expect("its kernels are known");
        let mut found: Vec<Stage> = plan.steps.iter().map(|step| step.stage).collect();
        found.dedup();
        assert_eq!(found, stages, "{kinds:?}");
    }
}

#[test]
fn the_picture_can_be_looked_into() {
    let mut graph = side_by_side();
    graph.checked = vec![graph.inputs[0]];
    let plan = schedule(
        &graph,
        &|_| Stage::Backbone,
        Source::Given,
        &Target::webgpu(),
    );
    let plan = plan.expect("its kernels are known");
    assert_eq!(plan.steps[0].name, "finite?");
}
