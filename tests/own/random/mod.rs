//! Random graphs of all operations that the compiler carries: recorded, compiled, and their plans run by the
//! kernels' references, and some on this machine's adapter, beside Burn's CPU engine.
//!
//! `FPN_GRAPHS` says how many; 2,000 otherwise, and 60 on the adapter.

mod across;
mod element_wise;
mod instructions;
mod layers;
mod maps;
mod run;
mod tensors;
mod views;

use std::convert::Infallible;
use std::sync::Arc;

use burn::tensor::{Device, Tensor, TensorData};
use fpn_wgpu::compile::{
    CaptureError, CapturedModel, Source, Target, Tracer, compile_captured, trace,
};
use fpn_wgpu::gpu::{Gpu, NetworkError};
use fpn_wgpu::kernels::FrameUniform;
use fpn_wgpu::models::{Stage, parameters};
use fpn_wgpu::plan::Plan;
use fpn_wgpu::verify::Interpreter;
use fpn_wgpu::{Checkpoint, HostTensor, Network};
use proptest::prelude::*;
use proptest::test_runner::{RngSeed, TestCaseResult};

use self::instructions::{Instruction, Recipe, recipe};
use self::layers::{Layer, Spec};
use self::run::{Mode, Run};
use self::tensors::Any;
use crate::adapter;
use crate::networks::tensor;
use crate::seeded::number;

/// Part of the largest magnitude, or of 1 where that is more, that a value may be off.
const TOLERANCE: f32 = 1e-4;
/// The largest tensor.
const MOST_VALUES: usize = 1200;
/// The largest magnitude: sums of larger ones would only be less exact.
const MOST: f32 = 100.0;

/// On Burn's engine: layers are made as they come.
#[derive(Default)]
struct Eager {
    specs: Vec<Spec>,
    layers: Vec<Layer>,
}

impl Mode for Eager {
    fn layer(&mut self, spec: Spec) -> &Layer {
        let index = self.layers.len();
        let made = parameters::fill(spec.init(&Device::flex()), |path, shape| {
            let name = format!("{index}.{path}");
            let values = (0..shape.iter().product()).map(|index| number(&name, index));
            Ok::<_, Infallible>(match path.ends_with("running_var") {
                true => values.map(|value| 1.0 + 0.5 * value).collect(),
                false => values.collect(),
            })
        });
        let Ok(made) = made;
        self.specs.push(spec);
        self.layers.push(made);
        &self.layers[index]
    }

    fn all(&self, tensor: &dyn Fn() -> Any, suits: &dyn Fn(f32) -> bool) -> bool {
        tensor().values().into_iter().all(suits)
    }
}

/// While it is recorded: layers are there, and values are not.
struct Recorded<'a> {
    layers: std::slice::Iter<'a, Layer>,
}

impl Mode for Recorded<'_> {
    fn layer(&mut self, _: Spec) -> &Layer {
        self.layers.next().expect("it is the same graph")
    }

    fn all(&self, _: &dyn Fn() -> Any, _: &dyn Fn(f32) -> bool) -> bool {
        true
    }
}

/// A graph of what fits, with what Burn makes of it.
struct Graph {
    inputs: Vec<(String, HostTensor)>,
    instructions: Vec<Instruction>,
    specs: Vec<Spec>,
    layers: Vec<Layer>,
    /// By index of the tensor.
    outputs: Vec<(usize, HostTensor)>,
}

impl Graph {
    fn new(recipe: &Recipe) -> Self {
        let named = recipe.inputs.iter().enumerate().map(|(index, shape)| {
            let name = format!("x{index}");
            let values = tensor(&name, shape);
            (name, values)
        });
        let inputs: Vec<(String, HostTensor)> = named.collect();
        let device = Device::flex();
        let given = inputs.iter().map(|(_, input)| {
            let extent = input.values.len();
            let data = TensorData::new(input.values.clone(), [extent]);
            Any::from(Tensor::<1>::from_data(data, &device)).reshape(&input.shape)
        });
        let mut tensors: Vec<Any> = given.collect();
        let mut mode = Eager::default();
        let mut instructions = Vec::new();
        for instruction in &recipe.instructions {
            let layers = mode.layers.len();
            let mut run = Run {
                tensors: tensors.clone(),
                mode: &mut mode,
            };
            match run.apply(instruction).filter(is_moderate) {
                Some(made) => {
                    tensors.push(made);
                    instructions.push(instruction.clone());
                }
                None => {
                    mode.layers.truncate(layers);
                    mode.specs.truncate(layers);
                }
            }
        }
        let mut given_back: Vec<usize> =
            recipe.outputs.iter().map(|at| at % tensors.len()).collect();
        given_back.push(tensors.len() - 1);
        let outputs = given_back.into_iter().map(|at| {
            let tensor = HostTensor {
                shape: tensors[at].shape(),
                values: tensors[at].values(),
            };
            (at, tensor)
        });
        Self {
            inputs,
            instructions,
            outputs: outputs.collect(),
            specs: mode.specs,
            layers: mode.layers,
        }
    }

    fn init(&self, device: &Device) -> Vec<Layer> {
        self.specs.iter().map(|spec| spec.init(device)).collect()
    }

    /// The same while it is recorded.
    fn forward(&self, layers: &[Layer], io: &mut Tracer) -> Result<(), CaptureError> {
        let mut mode = Recorded {
            layers: layers.iter(),
        };
        let inputs = self.inputs.iter();
        let inputs = inputs.map(|(name, input)| input_of(io, name, input.shape.len()));
        let mut run = Run {
            tensors: inputs.collect::<Result<_, _>>()?,
            mode: &mut mode,
        };
        for instruction in &self.instructions {
            let made = run.apply(instruction).expect("it fitted before");
            run.tensors.push(made);
        }
        for (index, (at, _)) in self.outputs.iter().enumerate() {
            let name = format!("y{index}");
            tensors::each!(run.tensors[*at].clone(), x => io.output(&name, x))?;
        }
        Ok(())
    }

    fn compiled(&self) -> Result<(CapturedModel, Plan), String> {
        let inputs = self.inputs.iter();
        let shapes = inputs.map(|(name, input)| (name.clone(), input.shape.clone()));
        let captured = trace(
            shapes,
            |device| self.init(device),
            |layers: &Vec<Layer>, io| self.forward(layers, io),
        );
        let captured = captured.map_err(|error| error.to_string())?;
        let stage = |_: &str| Stage::Backbone;
        let plan = compile_captured(&captured, &stage, Source::Given, &Target::webgpu());
        let plan = plan.map_err(|error| error.to_string())?;
        Ok((captured, plan))
    }

    /// By the kernels' references.
    fn interpreted(&self) -> Result<Vec<HostTensor>, String> {
        let (captured, plan) = self.compiled()?;
        let checkpoint = Checkpoint::of(&self.layers);
        let read = |path: &str| checkpoint.tensors[path].clone();
        let frame = FrameUniform::new([1, 1], [1, 1], [1.0, 1.0]);
        let interpreter = Interpreter::new(&plan, &read, frame, Vec::new());
        let mut interpreter = interpreter.expect("the parameters are made here");
        for (slot, input) in plan.inputs.iter().zip(&captured.inputs) {
            let given = self.inputs.iter().find(|(name, _)| *name == input.name);
            let (_, tensor) = given.expect("it is one of them");
            interpreter.fill(slot, &tensor.values);
        }
        interpreter.finish();
        let made = plan.tensors().map(|(_, slot)| HostTensor {
            shape: slot.shape.clone(),
            values: interpreter.tensor(slot),
        });
        Ok(made.collect())
    }

    /// On an adapter.
    fn on(self: &Arc<Self>, gpu: Arc<Gpu>) -> Result<Vec<HostTensor>, NetworkError> {
        let (maker, recorder) = (self.clone(), self.clone());
        let network = Network::new(
            gpu,
            move |device| maker.init(device),
            move |layers: &Vec<Layer>, io| recorder.forward(layers, io),
            Checkpoint::of(&self.layers),
        )?;
        let inputs = self.inputs.iter();
        let inputs: Vec<_> = inputs.map(|(name, x)| (name.as_str(), x)).collect();
        let made = network.run(&inputs)?.into_iter();
        Ok(made.map(|(_, tensor)| tensor).collect())
    }

    /// What was found is what Burn made.
    fn compare(&self, found: &[HostTensor]) -> TestCaseResult {
        prop_assert_eq!(found.len(), self.outputs.len());
        for (output, (found, (_, expected))) in found.iter().zip(&self.outputs).enumerate() {
            prop_assert_eq!(&found.shape, &expected.shape, "y{}", output);
            let magnitudes = expected.values.iter().map(|value| value.abs());
            let largest = magnitudes.fold(1.0, f32::max);
            let pairs = found.values.iter().zip(&expected.values);
            for (index, (found, expected)) in pairs.enumerate() {
                prop_assert!(
                    (found - expected).abs() <= TOLERANCE * largest,
                    "y{}, value {}: {} instead of {}",
                    output,
                    index,
                    found,
                    expected
                );
            }
        }
        Ok(())
    }
}

/// Whether a tensor is worth going on with.
fn is_moderate(tensor: &Any) -> bool {
    let count: usize = tensor.shape().iter().product();
    count <= MOST_VALUES && tensor.values().iter().all(|value| value.abs() <= MOST)
}

fn input_of(io: &mut Tracer, name: &str, rank: usize) -> Result<Any, CaptureError> {
    Ok(match rank {
        1 => io.input::<1>(name)?.into(),
        2 => io.input::<2>(name)?.into(),
        3 => io.input::<3>(name)?.into(),
        4 => io.input::<4>(name)?.into(),
        _ => io.input::<5>(name)?.into(),
    })
}

/// The same graphs each time, or as many others as are asked for.
fn config(usual: u32) -> ProptestConfig {
    match std::env::var("FPN_GRAPHS") {
        Err(_) => ProptestConfig {
            rng_seed: RngSeed::Fixed(1),
            ..ProptestConfig::with_cases(usual)
        },
        Ok(count) => ProptestConfig::with_cases(count.parse().expect("FPN_GRAPHS is a number")),
    }
}

proptest! {
    #![proptest_config(config(2000))]

    #[test]
    fn plans_of_random_graphs_compute_what_burn_does(recipe in recipe()) {
        let graph = Graph::new(&recipe);
        graph.compare(&graph.interpreted().map_err(TestCaseError::fail)?)?;
    }
}

proptest! {
    #![proptest_config(config(60))]

    #[test]
    fn random_graphs_compute_the_same_on_this_adapter(recipe in recipe()) {
        let graph = Arc::new(Graph::new(&recipe));
        let found = graph.on(adapter::gpu());
        graph.compare(&found.map_err(|error| TestCaseError::fail(error.to_string()))?)?;
    }
}
