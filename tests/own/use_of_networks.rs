//! How networks are used: at several sizes, and wrongly.

use std::sync::Arc;

use burn::module::Module;
use burn::nn::{Linear, LinearConfig};
use burn::tensor::activation::relu;
use burn::tensor::{Device, Tensor};
use fpn_wgpu::compile::{CaptureError, Tracer, run_eagerly};
use fpn_wgpu::{Checkpoint, HostTensor, Network};

use crate::adapter;
use crate::check::compare;
use crate::networks::layers::ConvNorm;
use crate::networks::{Case, tensor};

#[derive(Module, Debug)]
struct Small {
    convs: Vec<ConvNorm>,
    fc: Linear,
}

/// A mean over a map of any size, of several convolutions.
fn small() -> Case<Small> {
    fn forward(module: &Small, io: &mut Tracer) -> Result<(), CaptureError> {
        let x = io.input::<4>("image")?;
        let convs = module.convs.iter();
        let x = convs.fold(x, |x, conv| relu(conv.forward(x)));
        let pixels: Tensor<3> = x.flatten(2, 3);
        let mean = pixels.mean_dim(2).squeeze_dim::<2>(2);
        io.output("classes", module.fc.forward(mean))
    }
    Case {
        name: "small",
        init: Arc::new(|device: &Device| Small {
            convs: [3, 8, 12, 16]
                .windows(2)
                .map(|pair| ConvNorm::new([pair[0], pair[1]], 3, 2, device))
                .collect(),
            fc: LinearConfig::new(16, 6).init(device),
        }),
        forward,
        inputs: vec![("image", vec![1, 3, 40, 30])],
    }
}

/// Weights and pipelines are those of the first size.
#[test]
fn another_size_shares_what_the_first_has() {
    let (case, gpu) = (small(), adapter::open());
    let module = case.module();
    let network = case.network(gpu.clone(), Checkpoint::of(&module));
    let run = |height: usize, width: usize| {
        let image = tensor("image", &[1, 3, height, width]);
        let given = [("image", &image)];
        let [before, ..] = gpu.counters().made();
        let found = network
            .run(&given)
            .unwrap_or_else(|error| panic!("{error}"));
        let [after, ..] = gpu.counters().made();
        let expected = run_eagerly(&given, &module, case.forward, &Device::flex());
        let expected = expected.unwrap_or_else(|error| panic!("{error}"));
        compare(&format!("{height} by {width}"), &found, &expected, 1e-4);
        after - before
    };
    let first = run(40, 30);
    let second = run(28, 36);
    println!("{first} buffers, then {second}");
    // The parameters of its dispatches, and no weights.
    assert!(second <= 2, "{second} after {first}");
    // Both are kept.
    assert_eq!([run(40, 30), run(28, 36)], [0, 0]);
}

/// What the network says to inputs of these names.
fn refusal(network: &Network, inputs: &[(&str, &HostTensor)]) -> String {
    let error = network.run(inputs).expect_err("it is wrong");
    error.to_string()
}

#[test]
fn wrong_inputs_are_told_in_a_sentence() {
    let case = small();
    let network = case.network(adapter::gpu(), Checkpoint::of(&case.module()));
    let image = tensor("image", &[1, 3, 40, 30]);
    let flat = tensor("image", &[3, 40, 30]);
    let empty = tensor("image", &[1, 3, 0, 30]);
    let short = HostTensor {
        shape: vec![1, 3, 40, 30],
        values: vec![0.0; 5],
    };
    for (inputs, expected) in [
        (
            &[][..],
            "the module reads the input 'image', which is not given: there are none",
        ),
        (
            &[("picture", &image)],
            "the module reads the input 'image', which is not given: there are picture",
        ),
        (
            &[("image", &image), ("mask", &image)],
            "the module takes no input 'mask'",
        ),
        (
            &[("image", &image), ("image", &image)],
            "input 'image' is given twice",
        ),
        (
            &[("image", &flat)],
            "the input 'image' has shape [3, 40, 30], where the module expects 4 dimensions",
        ),
        (
            &[("image", &empty)],
            "the input 'image' has shape [1, 3, 0, 30]: expected at least one value",
        ),
        (
            &[("image", &short)],
            "input 'image' has 5 values: expected 3600, as many as [1, 3, 40, 30] has",
        ),
    ] {
        assert_eq!(refusal(&network, inputs), expected);
    }
}

#[test]
fn wrong_parameters_are_told_in_a_sentence() {
    let case = small();
    let image = tensor("image", &[1, 3, 40, 30]);
    let refused = |change: &dyn Fn(&mut Checkpoint)| {
        let mut parameters = Checkpoint::of(&case.module());
        change(&mut parameters);
        refusal(
            &case.network(adapter::gpu(), parameters),
            &[("image", &image)],
        )
    };
    let missing = refused(&|parameters| {
        parameters.tensors.remove("fc.weight");
    });
    assert_eq!(
        missing,
        "parameter 'fc.weight' is missing: expected shape [6, 16]"
    );
    // The layout of Burn, not of PyTorch.
    let transposed = refused(&|parameters| {
        let weight = parameters.tensors.get_mut("fc.weight");
        weight.expect("it has one").shape.reverse();
    });
    assert_eq!(
        transposed,
        "parameter 'fc.weight' has shape [16, 6]: expected shape [6, 16]"
    );
}
