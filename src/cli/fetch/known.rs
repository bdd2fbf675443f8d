//! The names of published weights.

use std::path::Path;

use anyhow::Result;
use fpn_wgpu::models::Architecture;
use fpn_wgpu::weights::official::{Known, Meant, names};

use super::unknown;

/// The published weights that `--weights` names, of `model` if that is said; none where it means a file.
pub fn find(weights: &Path, model: Option<Architecture>) -> Result<Option<Known>> {
    let listed = |model| Vec::from_iter(names(model)).join(", ");
    match (Meant::by(weights, model), model) {
        (Meant::Published(known), _) => Ok(Some(known)),
        (Meant::File, _) => {
            let name = weights.to_str().unwrap_or_default();
            if names(None).contains(name) {
                eprintln!(
                    "--weights {name} is the file of this name in the current folder, not the published weights"
                );
            }
            Ok(None)
        }
        (Meant::Nothing, None) => Err(unknown(weights, &format!("one of {}", listed(None)))),
        (Meant::Nothing, Some(model)) => Err(unknown(
            weights,
            &match listed(Some(model)).as_str() {
                "" => format!("a file, since none are published for {model}"),
                names => format!("of {model} one of {names}"),
            },
        )),
    }
}
