//! The names of published weights.

use std::collections::BTreeSet;
use std::path::Path;

use anyhow::Result;
use fpn_wgpu::models::Architecture;
use fpn_wgpu::weights::official::{Known, all, usual};

use super::unknown;

/// The published weights that `--weights` names, of `model` if that is said; none where it means a file: one that is
/// there, or a path that could be one's.
pub fn find(weights: &Path, model: Option<Architecture>) -> Result<Option<Known>> {
    let name = weights.to_str().unwrap_or_default();
    let is_name = all().any(|known| known.file.name == name);
    if weights.exists() {
        if is_name {
            eprintln!(
                "--weights {name} is the file of this name in the current folder, not the published weights"
            );
        }
        return Ok(None);
    }
    let is_path = weights.components().count() > 1 || weights.extension().is_some();
    if is_path {
        return Ok(None);
    }
    let known = match model {
        None => usual(name),
        Some(model) => all().find(|known| known.file.name == name && known.model == model),
    };
    let names = || {
        let known = all().filter(|known| model.is_none_or(|model| known.model == model));
        let names: BTreeSet<&str> = known.map(|known| known.file.name).collect();
        names.into_iter().collect::<Vec<_>>().join(", ")
    };
    match (known, model) {
        (Some(known), _) => Ok(Some(known)),
        (None, None) => Err(unknown(weights, &format!("one of {}", names()))),
        (None, Some(model)) => Err(unknown(
            weights,
            &match names().as_str() {
                "" => format!("a file, since none are published for {model}"),
                names => format!("of {model} one of {names}"),
            },
        )),
    }
}
