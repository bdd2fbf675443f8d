//! From a checkpoint into a module, strictly.

use std::collections::BTreeMap;

use burn::tensor::Device;

use super::{Checkpoint, StoredTensor, WeightsError, extras};
use crate::models::{Architecture, Classes, Model, ModelConfig, parameters};

/// How many names a list of differences spells out.
const NAMED: usize = 3;

/// Most classes a checkpoint may have: there is a name for each, whatever its file claims.
pub(crate) const MAX_CLASSES: usize = 10_000;

/// Classes of a checkpoint for `architecture`, background included: where they are not always the
/// same, the rows of its classifier.
///
/// # Errors
/// If the checkpoint lacks the classifier, so that it is another model's, or holds it twice.
pub fn class_count(
    checkpoint: &Checkpoint,
    architecture: Architecture,
) -> Result<usize, WeightsError> {
    let (key, each, beside) = match architecture.specification().classes {
        Classes::Fixed(names) => return Ok(names.len()),
        Classes::Counted {
            tensor,
            each,
            beside,
            ..
        } => (tensor, each, beside),
    };
    let checkpoint = checkpoint.in_layout_of(architecture)?;
    let tensor = checkpoint.tensors.get(key);
    let differences = match tensor.map(|tensor| tensor.shape.as_slice()) {
        Some(&[values])
            if values >= beside
                && (values - beside).is_multiple_of(each)
                && (2..=MAX_CLASSES).contains(&((values - beside) / each)) =>
        {
            return Ok((values - beside) / each);
        }
        Some(shape) => {
            let each = match each {
                1 => "one value".to_owned(),
                _ => format!("{each} values"),
            };
            let beside = match beside {
                0 => String::new(),
                _ => format!(", and {beside} beside"),
            };
            format!(
                "tensor '{key}' has shape {shape:?}, expected {each} for each of 2 to {MAX_CLASSES} classes{beside}"
            )
        }
        None => format!("tensor '{key}' is missing"),
    };
    Err(WeightsError::Mismatch {
        model: architecture.name(),
        differences,
    })
}

/// `config` with what else the checkpoint's shapes say of the model's form; its classes are
/// [`class_count`]'s.
///
/// # Errors
/// If they say nothing that the architecture knows, or the checkpoint holds a tensor twice.
pub fn form(checkpoint: &Checkpoint, config: ModelConfig) -> Result<ModelConfig, WeightsError> {
    let architecture = config.architecture;
    let file = checkpoint;
    let checkpoint = file.in_layout_of(architecture)?;
    let shape = |key: &str| Some(&*checkpoint.tensors.get(key)?.shape);
    let form = architecture.specification().form;
    let config = form(&shape, config).map_err(|differences| WeightsError::Mismatch {
        model: architecture.name(),
        differences,
    })?;
    match architecture.specification().has_extras {
        true => extras::told(file, config),
        false => Ok(config),
    }
}

/// The architectures whose parameters the checkpoint holds, in its file's spelling of keys.
pub(crate) fn fitting(checkpoint: &Checkpoint) -> Vec<Architecture> {
    let fits = |architecture: &Architecture| {
        let usual = ModelConfig::of(*architecture);
        let config = class_count(checkpoint, *architecture)
            .and_then(|classes| form(checkpoint, ModelConfig { classes, ..usual }));
        let in_layout = checkpoint.in_layout_of(*architecture);
        matches!((config, in_layout), (Ok(config), Ok(own)) if check_fit(&config, &own).is_ok())
    };
    Architecture::all().filter(fits).collect()
}

/// The shape of every parameter of a model by its checkpoint key, in the module's order.
pub(super) fn expected(config: &ModelConfig) -> Vec<(String, Vec<usize>)> {
    // Parameters come to be when they are first used, so this costs nothing.
    let model = Model::new(config, &Device::flex());
    let mut expected = Vec::new();
    parameters::for_each(&model, |parameter| {
        let key = config.architecture.key(&parameter.path);
        expected.push((key, parameter.shape));
    });
    expected
}

/// The model with the checkpoint's weights, on the CPU engine.
///
/// # Errors
/// If tensors are missing, left over, there twice or of another shape (all are counted, the first few
/// named), if one cannot be read, or holds NaN or an infinity.
pub fn load(config: &ModelConfig, checkpoint: &Checkpoint) -> Result<Model, WeightsError> {
    let checkpoint = checkpoint.in_layout_of(config.architecture)?;
    check_fit(config, &checkpoint)?;
    let model = Model::new(config, &Device::flex());
    parameters::fill(model, |path, _| parameter(config, &checkpoint, path).read())
}

/// The model with those of the checkpoint's weights that fit, and the keys of the parameters that it
/// has none for, or some of another shape.
///
/// # Errors
/// If a tensor is there twice, or one that fits cannot be read, or holds NaN or an infinity.
#[cfg(feature = "train")]
pub fn load_fitting(
    config: &ModelConfig,
    checkpoint: &Checkpoint,
    model: Model,
) -> Result<(Model, Vec<String>), WeightsError> {
    let checkpoint = checkpoint.in_layout_of(config.architecture)?;
    let mut current = BTreeMap::new();
    parameters::for_each(&model, |parameter| {
        current.insert(parameter.path.clone(), parameter.values());
    });
    let mut fresh = Vec::new();
    let model = parameters::fill(model, |path, shape| {
        let key = config.architecture.key(path);
        let stored = checkpoint.tensors.get(&key);
        match stored.is_some_and(|tensor| tensor.shape == shape) {
            true => parameter(config, &checkpoint, path).read(),
            false => {
                fresh.push(key);
                Ok(current.remove(path).expect("a path is met once"))
            }
        }
    })?;
    Ok((model, fresh))
}

/// The parameter at `path` of a model that the checkpoint fits, in the architecture's layout. To read
/// it is an error if it holds NaN, an infinity, or a negative variance.
pub(crate) fn parameter(config: &ModelConfig, checkpoint: &Checkpoint, path: &str) -> StoredTensor {
    let key = config.architecture.key(path);
    let is_variance = path.ends_with(".running_var");
    let tensor = checkpoint.tensors[&key].clone();
    tensor.checked(move |values| {
        if let Some(&found) = values.iter().find(|value| !value.is_finite()) {
            let tensor = key.clone();
            return Err(WeightsError::NotFinite { tensor, found });
        }
        // Its square root would be NaN.
        let negative = values.iter().find(|value| **value < 0.0);
        match negative.filter(|_| is_variance) {
            Some(&found) => Err(WeightsError::NegativeVariance {
                tensor: key.clone(),
                found,
            }),
            None => Ok(()),
        }
    })
}

/// Whether the checkpoint, in the architecture's layout, holds just the model's parameters, in their
/// shapes.
///
/// # Errors
/// If it does not; the error counts the differences and names the first few.
pub(crate) fn check_fit(config: &ModelConfig, checkpoint: &Checkpoint) -> Result<(), WeightsError> {
    let expected: BTreeMap<String, Vec<usize>> = expected(config).into_iter().collect();
    let found = &checkpoint.tensors;
    let missing = expected.keys().filter(|key| !found.contains_key(*key));
    let surplus = found.keys().filter(|key| !expected.contains_key(*key));
    let misshapen = expected.iter().filter_map(|(key, shape)| {
        let found = &found.get(key)?.shape;
        (found != shape).then(|| format!("'{key}' has shape {found:?}, expected {shape:?}"))
    });
    let differences: Vec<String> = [
        listed("missing", missing.map(|key| format!("'{key}'")).collect()),
        listed(
            "unexpected",
            surplus.map(|key| format!("'{key}'")).collect(),
        ),
        listed("misshapen", misshapen.collect()),
    ]
    .into_iter()
    .flatten()
    .collect();
    if differences.is_empty() {
        return Ok(());
    }
    Err(WeightsError::Mismatch {
        model: config.architecture.name(),
        differences: differences.join("; "),
    })
}

fn listed(kind: &str, items: Vec<String>) -> Option<String> {
    let count = items.len();
    let named = items[..count.min(NAMED)].join(", ");
    let noun = if count == 1 { "tensor" } else { "tensors" };
    match count {
        0 => None,
        _ if count > NAMED => Some(format!("{count} {kind} {noun} ({named}, …)")),
        _ => Some(format!("{count} {kind} {noun} ({named})")),
    }
}
