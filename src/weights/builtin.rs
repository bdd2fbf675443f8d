//! The weights that come with this crate.

use super::Checkpoint;
use crate::models::Architecture;

/// The weights of an architecture that come with this crate; none where it has none, or the crate was
/// built without the `builtin` feature.
pub fn builtin(architecture: Architecture) -> Option<Checkpoint> {
    let file = architecture.specification().builtin?.to_vec();
    Some(Checkpoint::from_safetensors(file).expect("the file is as this crate wrote it"))
}
