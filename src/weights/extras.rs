//! What older checkpoints of detectron2 hold besides parameters: how pictures were prepared, and the anchors
//! of a cell.

use super::{Checkpoint, WeightsError};
use crate::models::{ModelConfig, Strides};

const PIXEL_MEAN: &str = "pixel_mean";
const PIXEL_STD: &str = "pixel_std";

/// Behind this is the number of the level, 0 the finest.
const CELL_ANCHORS: &str = "proposal_generator.anchor_generator.cell_anchors.";

/// How far a side may be from that of the same anchor, as a part of it.
const TOLERANCE: f32 = 1e-3;

/// Whether a key is of a tensor that is no parameter.
pub(super) fn is_extra(key: &str) -> bool {
    key == PIXEL_MEAN || key == PIXEL_STD || key.starts_with(CELL_ANCHORS)
}

/// `config` with what these tensors say of it, where there are some.
///
/// # Errors
/// If one cannot be read, has other values than it should, or the anchors are none that the model knows.
pub(super) fn told(
    checkpoint: &Checkpoint,
    mut config: ModelConfig,
) -> Result<ModelConfig, WeightsError> {
    if let Some(mean) = channels(checkpoint, PIXEL_MEAN)? {
        config.pixel_mean = mean;
    }
    if let Some(std) = channels(checkpoint, PIXEL_STD)? {
        config.pixel_std = std;
    }
    let with = |strides| config.with_strides(strides);
    let known = [Some(config), with(Strides::Declared), with(Strides::True)];
    let mut differences = None;
    for config in known.into_iter().flatten() {
        match difference(checkpoint, &config)? {
            None => return Ok(config),
            Some(other) => differences = differences.or(Some(other)),
        }
    }
    Err(WeightsError::Mismatch {
        model: config.architecture.name(),
        differences: differences.unwrap_or_default(),
    })
}

fn channels(checkpoint: &Checkpoint, key: &str) -> Result<Option<[f32; 3]>, WeightsError> {
    let Some(tensor) = checkpoint.tensors.get(key) else {
        return Ok(None);
    };
    let broken = |found: &dyn std::fmt::Debug| WeightsError::Tensor {
        tensor: key.to_owned(),
        reason: format!("its values are {found:?}, where three numbers above 0 are expected"),
    };
    if tensor.shape.iter().product::<usize>() != 3 {
        return Err(WeightsError::Tensor {
            tensor: key.to_owned(),
            reason: format!(
                "its shape is {:?}, where three values are expected",
                tensor.shape
            ),
        });
    }
    let values: [f32; 3] = tensor.read()?.try_into().map_err(|found| broken(&found))?;
    match values.iter().all(|value| value.is_finite() && *value > 0.0) {
        true => Ok(Some(values)),
        false => Err(broken(&values)),
    }
}

/// Which anchors are others than the model's, if some are.
fn difference(
    checkpoint: &Checkpoint,
    config: &ModelConfig,
) -> Result<Option<String>, WeightsError> {
    let layout = config.anchors();
    let sizes = vec![[1, 1]; layout.sizes.len()];
    let grid = layout.grid(config.architecture.first_level(), [1, 1], &sizes);
    for (level, anchors) in grid.levels.iter().enumerate() {
        let key = format!("{CELL_ANCHORS}{level}");
        let Some(tensor) = checkpoint.tensors.get(&key) else {
            continue;
        };
        let expected = anchors.cell.as_flattened();
        let found = match tensor.shape.iter().product::<usize>() == expected.len() {
            true => tensor.read()?,
            false => Vec::new(),
        };
        let is_near = |(a, b): (&f32, &f32)| (a - b).abs() <= TOLERANCE * b.abs();
        if found.len() != expected.len() || !found.iter().zip(expected).all(is_near) {
            return Ok(Some(format!(
                "tensor '{key}' of shape {:?} holds other anchors than {expected:?}",
                tensor.shape
            )));
        }
    }
    Ok(None)
}
