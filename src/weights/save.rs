//! From a module into a checkpoint.

use super::{Checkpoint, Metadata, StoredTensor};
use crate::models::{Model, ModelConfig, parameters};

/// A checkpoint of a model's weights as they are now, under the keys that [`load`](super::load) expects.
pub fn save(config: &ModelConfig, model: &Model, class_names: &[String]) -> Checkpoint {
    let mut checkpoint = Checkpoint {
        metadata: Metadata {
            class_names: Some(class_names.to_vec()),
            ..Metadata::of(config)
        },
        ..Checkpoint::default()
    };
    parameters::for_each(model, |parameter| {
        let key = config.architecture.key(&parameter.path);
        let tensor = StoredTensor::of(parameter.shape.clone(), parameter.values());
        checkpoint.tensors.insert(key, tensor);
    });
    checkpoint
}
