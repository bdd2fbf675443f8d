//! Stochastic gradient descent over a module's parameters, its state kept by their names.

use std::collections::BTreeMap;

use burn::module::{Module, Param};
use burn::optim::decay::WeightDecayConfig;
use burn::optim::momentum::MomentumConfig;
use burn::optim::{Optimizer as _, RecordState, Sgd, SgdConfig, SgdState, StateSink, StateSource};
use burn::tensor::{Device, Gradients, Tensor, TensorData};

use crate::models::parameters::{self, Mapping, Place};

/// PyTorch's `SGD` with momentum, and weight decay of some parameters.
pub struct Optimizer {
    decaying: Sgd,
    plain: Sgd,
    /// Whether the parameter at a path decays.
    decays: Box<dyn Fn(&str) -> bool + Send + Sync>,
    /// Of each parameter that had a gradient, by its path.
    velocities: BTreeMap<String, TensorData>,
}

impl Optimizer {
    /// One that has seen no gradient yet; `decays` says which parameters decay, by their paths.
    pub fn new(
        momentum: f64,
        weight_decay: f64,
        decays: impl Fn(&str) -> bool + Send + Sync + 'static,
    ) -> Self {
        let momentum = MomentumConfig::new()
            .with_momentum(momentum)
            .with_dampening(0.0);
        let sgd = SgdConfig::new().with_momentum(Some(momentum));
        let decay = WeightDecayConfig::new(weight_decay as f32);
        Self {
            decaying: sgd.clone().with_weight_decay(Some(decay)).build(),
            plain: sgd.build(),
            decays: Box::new(decays),
            velocities: BTreeMap::new(),
        }
    }

    /// The module a step further. Parameters without gradient stay.
    pub fn step<M: Module>(&mut self, module: M, gradients: Gradients, learning_rate: f64) -> M {
        let mut step = Step {
            optimizer: self,
            gradients,
            learning_rate,
        };
        parameters::map(module, &mut step)
    }

    /// Its state: the velocity of each parameter, by its path, laid out as in the module.
    pub fn state(&self) -> &BTreeMap<String, TensorData> {
        &self.velocities
    }

    /// Go on from a [`state`](Self::state).
    pub fn restore(&mut self, state: BTreeMap<String, TensorData>) {
        self.velocities = state;
    }
}

/// Where Burn's state of SGD keeps the velocity.
const VELOCITY: &str = "momentum.velocity";

struct Step<'a> {
    optimizer: &'a mut Optimizer,
    gradients: Gradients,
    learning_rate: f64,
}

impl Mapping for Step<'_> {
    fn map<const D: usize>(&mut self, place: &Place, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        let (id, tensor, mapper) = param.consume();
        let Some(gradient) = tensor.grad_remove(&mut self.gradients) else {
            return Param::from_mapped_value(id, tensor, mapper);
        };
        let path = place.path();
        let device = gradient.device();
        let velocities = &mut self.optimizer.velocities;
        let state = velocities
            .remove(&path)
            .and_then(|velocity| state_of::<D>(velocity, &device));
        let sgd = match (self.optimizer.decays)(&path) {
            true => &self.optimizer.decaying,
            false => &self.optimizer.plain,
        };
        let (tensor, state) = sgd.step(self.learning_rate, tensor.inner(), gradient, state);
        let mut sink = StateSink::default();
        if let Some(state) = state {
            state.state_flatten("", &mut sink);
        }
        let velocity = sink.tensors.into_iter().next();
        velocities.extend(velocity.map(|(_, velocity)| (path, velocity)));
        Param::from_mapped_value(id, Tensor::from_inner(tensor).require_grad(), mapper)
    }
}

fn state_of<const D: usize>(velocity: TensorData, device: &Device) -> Option<SgdState<D>> {
    let mut source = StateSource::default();
    source.insert_tensor(VELOCITY.to_owned(), velocity);
    RecordState::state_unflatten("", &mut source, device)
}
