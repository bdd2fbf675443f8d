//! What was published of models: how many parameters they have, and their state dicts' keys and shapes.

use std::collections::BTreeMap;

use burn::tensor::Device;
use fpn_wgpu::models::{Model, ModelConfig, parameters};
use fpn_wgpu::weights::{self, Checkpoint, StoredTensor};

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

/// torchvision's models: their published parameters, which leave out scales and shifts of frozen batch norms, and
/// how many these are.
const TORCHVISION: [(&str, usize, usize); 12] = [
    ("fasterrcnn_resnet50_fpn_v2", 43_712_278, 0),
    ("fasterrcnn_resnext50_32x4d_fpn", 41_212_054, 68_224),
    ("fasterrcnn_resnext101_32x8d_fpn", 104_839_830, 202_880),
    ("fasterrcnn_mobilenet_v3_large_fpn", 19_386_354, 24_400),
    ("fasterrcnn_mobilenet_v3_large_320_fpn", 19_386_354, 24_400),
    ("maskrcnn_resnet50_fpn", 44_401_393, 53_120),
    ("maskrcnn_resnet50_fpn_v2", 46_359_409, 0),
    ("keypointrcnn_resnet50_fpn", 59_137_258, 53_120),
    ("retinanet_resnet50_fpn", 34_014_999, 53_120),
    ("retinanet_resnet50_fpn_v2", 38_198_935, 0),
    ("fcos_resnet50_fpn", 32_269_600, 53_120),
    ("fasterrcnn_resnet50_fpn", 41_755_286, 53_120),
];

#[test]
fn torchvisions_models_have_as_many_parameters_as_published() {
    for (name, published, frozen) in TORCHVISION {
        let config = ModelConfig::of(name.parse().expect("it is listed"));
        assert_eq!(parameter_count(&config), published + frozen, "{name}");
    }
}

#[test]
fn torchvisions_state_dicts_fit() {
    for (name, ..) in TORCHVISION {
        let Some(listed) = state_dict(name) else {
            continue;
        };
        let architecture = name.parse().expect("it is listed");
        let listed = of_shapes(listed).in_layout_of(architecture);
        let listed = listed.expect("no key is there twice");
        let seeded = weights::seeded(&ModelConfig::of(architecture), 1);
        assert_eq!(shapes(&listed), shapes(&seeded), "{name}");
    }
}
