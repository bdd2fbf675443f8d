//! A training on disk: the weights, the optimizer's state and how far it came, in one file.

use std::collections::BTreeMap;

use burn::tensor::{Device, TensorData};
use serde::{Deserialize, Serialize};

use super::options::TrainOptions;
use super::trainer::{TrainError, Trainer};
use crate::models::{Architecture, ModelConfig, parameters};
use crate::weights::{Checkpoint, StoredTensor, WeightsError};
use crate::{BuildError, Detector};

/// What the tensors of the optimizer are called, before the path of a parameter.
const OPTIMIZER: &str = "optimizer.";

/// How far a training is: the JSON beside its tensors.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Progress {
    /// Steps done.
    pub step: usize,
    /// What the training is.
    pub options: TrainOptions,
}

impl Trainer {
    /// All that [`resume`] needs.
    pub fn checkpoint(&self) -> Checkpoint {
        let mut checkpoint = self.weights();
        let progress = Progress {
            step: self.step,
            options: self.options.clone(),
        };
        let progress = serde_json::to_string(&progress).expect("plain data");
        checkpoint.metadata.training = Some(progress);
        let velocities = self.optimizer.state().iter().map(|(path, velocity)| {
            let values = velocity.clone().try_to_vec().expect("velocities are f32");
            let shape = velocity.shape().to_vec();
            (
                format!("{OPTIMIZER}{path}"),
                StoredTensor::of(shape, values),
            )
        });
        checkpoint.tensors.extend(velocities);
        checkpoint
    }
}

/// The training that a checkpoint was made of, as if it had never stopped.
///
/// # Errors
/// If the checkpoint is of no training, of another model than `model`, or damaged, so that the training has
/// an option [out of its range](TrainOptions::check), or more steps behind it than it has in all.
pub fn resume(
    checkpoint: &Checkpoint,
    model: Option<Architecture>,
    device: Device,
) -> Result<Trainer, TrainError> {
    let progress = checkpoint.metadata.training.as_deref();
    let progress = progress.ok_or(TrainError::NoTraining)?;
    let progress: Progress =
        serde_json::from_str(progress).map_err(|error| TrainError::Damaged(error.to_string()))?;
    let config = form_of(checkpoint, model)?;
    let options = progress.options;
    options.check(&config)?;
    let steps = options.schedule.steps;
    if progress.step > steps {
        return Err(TrainError::Option {
            option: "step",
            expected: format!("0 to the training's {steps}"),
            found: progress.step.to_string(),
        });
    }
    let (velocities, weights) = checkpoint
        .tensors
        .clone()
        .into_iter()
        .partition::<BTreeMap<_, _>, _>(|(key, _)| key.starts_with(OPTIMIZER));
    let weights = Checkpoint {
        tensors: weights,
        metadata: checkpoint.metadata.clone(),
    };
    crate::weights::check_fit(&config, &weights.in_layout_of(config.architecture)?)?;
    let (mut trainer, _) = Trainer::from_checkpoint(config, options, &weights, device)?;
    let mut shapes = BTreeMap::new();
    parameters::for_each(&trainer.model, |parameter| {
        let mut shape = parameter.shape.clone();
        // The optimizer sees a layer's weights as Burn lays them out.
        if parameter.is_transposed {
            shape.reverse();
        }
        shapes.insert(parameter.path.clone(), shape);
    });
    let velocities = velocities.into_iter().map(|(key, tensor)| {
        let path = key[OPTIMIZER.len()..].to_owned();
        if shapes.get(&path) != Some(&tensor.shape) {
            return Err(WeightsError::Tensor {
                tensor: key,
                reason: format!("no parameter has the shape {:?}", tensor.shape),
            });
        }
        let values = tensor.read()?;
        if let Some(&found) = values.iter().find(|value| !value.is_finite()) {
            return Err(WeightsError::NotFinite { tensor: key, found });
        }
        Ok((path, TensorData::new(values, tensor.shape)))
    });
    trainer
        .optimizer
        .restore(velocities.collect::<Result<_, WeightsError>>()?);
    trainer.step = progress.step;
    Ok(trainer)
}

/// The form of the model that a checkpoint is of.
fn form_of(
    checkpoint: &Checkpoint,
    model: Option<Architecture>,
) -> Result<ModelConfig, TrainError> {
    let builder = Detector::builder(checkpoint.clone());
    let builder = match model {
        Some(model) => builder.architecture(model),
        None => builder,
    };
    builder.config().map_err(|error| match error {
        BuildError::OtherArchitecture { asked, found } => TrainError::OtherModel { asked, found },
        BuildError::Weights(error) => TrainError::Weights(error),
        other => TrainError::Form(other.to_string()),
    })
}
