//! What was published of models: how many parameters they have, and their state dicts' keys and shapes.

use std::collections::BTreeMap;

use burn::tensor::Device;
use fpn_wgpu::models::{Model, ModelConfig, parameters};
use fpn_wgpu::weights::{Checkpoint, StoredTensor};

use crate::support::shared;

/// Tensors' shapes by their keys.
pub type Shapes = BTreeMap<String, Vec<usize>>;

/// The state dict of a list of keys, but for counters of batches; none where the lists are missing.
pub fn state_dict(list: &str) -> Option<Shapes> {
    let path = shared(&format!("facts/keys/{list}.txt"))?;
    let listed = std::fs::read_to_string(path).expect("the list is there");
    let lines = listed.lines().filter(|line| !line.starts_with('#'));
    let tensors = lines.map(|line| {
        let (key, shape) = line.split_once('\t').expect("a key and its shape");
        let shape = serde_json::from_str(shape).expect("a list of sides");
        (key.to_owned(), shape)
    });
    let is_used = |(key, _): &(String, Vec<usize>)| !key.ends_with("num_batches_tracked");
    Some(tensors.filter(is_used).collect())
}

/// The shapes of a checkpoint's tensors.
pub fn shapes(checkpoint: &Checkpoint) -> Shapes {
    let tensors = checkpoint.tensors.iter();
    tensors
        .map(|(key, tensor)| (key.clone(), tensor.shape.clone()))
        .collect()
}

/// A checkpoint whose tensors have these shapes, and no values.
pub fn of_shapes(shapes: impl IntoIterator<Item = (String, Vec<usize>)>) -> Checkpoint {
    let shapes = shapes.into_iter();
    Checkpoint {
        tensors: shapes
            .map(|(key, shape)| (key, StoredTensor::of(shape, Vec::new())))
            .collect(),
        ..Checkpoint::default()
    }
}

/// How many parameters a model has, statistics of batch norms not counted.
pub fn parameter_count(config: &ModelConfig) -> usize {
    let mut count = 0;
    parameters::for_each(&Model::new(config, &Device::flex()), |parameter| {
        let is_statistic = parameter.path.contains(".running_");
        let values: usize = parameter.shape.iter().product();
        count += if is_statistic { 0 } else { values };
    });
    count
}
