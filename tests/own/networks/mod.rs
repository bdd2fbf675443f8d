//! Networks that nobody tuned for, of any size: small to test, of published sizes to time.

use std::convert::Infallible;
use std::sync::Arc;

use burn::module::Module;
use burn::tensor::Device;
use fpn_wgpu::compile::{CaptureError, Tracer};
use fpn_wgpu::gpu::Gpu;
use fpn_wgpu::models::parameters;
use fpn_wgpu::{Checkpoint, HostTensor, Network};

use crate::seeded::number;

pub mod convnext;
pub mod hat;
pub mod layers;
pub mod mixer;
pub mod mobilenet;
pub mod resnet18;
pub mod shufflenet;
pub mod swin;
pub mod two_inputs;
pub mod unet;
pub mod vit;

/// A module with seeded parameters, and shapes of its inputs by name.
pub struct Case<M> {
    /// How it is called in what is printed.
    pub name: &'static str,
    /// Makes the module; what its parameters are then does not count.
    pub init: Arc<dyn Fn(&Device) -> M + Send + Sync>,
    /// Runs it.
    pub forward: fn(&M, &mut Tracer) -> Result<(), CaptureError>,
    /// Names and shapes of what it reads.
    pub inputs: Vec<(&'static str, Vec<usize>)>,
}

impl<M: Module + 'static> Case<M> {
    /// The module on Burn's CPU engine.
    pub fn module(&self) -> M {
        let filled = parameters::fill((self.init)(&Device::flex()), |path, shape| {
            Ok::<_, Infallible>(parameter(path, shape))
        });
        let Ok(module) = filled;
        module
    }

    /// The network with parameters of that module.
    pub fn network(&self, gpu: Arc<Gpu>, parameters: Checkpoint) -> Network {
        let init = self.init.clone();
        let network = Network::new(gpu, move |device| init(device), self.forward, parameters);
        network.expect("the device is there")
    }

    /// Inputs of seeded values.
    pub fn given(&self) -> Vec<(&'static str, HostTensor)> {
        let inputs = self.inputs.iter();
        inputs
            .map(|(name, shape)| (*name, tensor(name, shape)))
            .collect()
    }
}

/// Values of the parameter at a path: of weights so that what they make is as large as what they read.
fn parameter(path: &str, shape: &[usize]) -> Vec<f32> {
    let fan_in: usize = shape[1..].iter().product();
    let (mean, spread) = match shape.len() {
        1 if path.ends_with("bias") || path.ends_with("running_mean") => (0.0, 0.1),
        1 if path.ends_with("running_var") => (1.0, 0.5),
        1 => (1.0, 0.2),
        _ => (0.0, (3.0 / fan_in as f32).sqrt()),
    };
    let values = (0..shape.iter().product()).map(|index| number(path, index));
    values.map(|value| mean + spread * value).collect()
}

/// A tensor of seeded values.
pub fn tensor(name: &str, shape: &[usize]) -> HostTensor {
    let values = (0..shape.iter().product()).map(|index| number(name, index));
    HostTensor {
        shape: shape.to_vec(),
        values: values.collect(),
    }
}
