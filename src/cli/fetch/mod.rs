//! `--weights`: a file, or the name of published weights, which are fetched once and kept.

use std::path::Path;

use anyhow::{Result, anyhow};
use clap::Args;
use fpn_wgpu::models::Architecture;
use fpn_wgpu::weights::Checkpoint;
use fpn_wgpu::weights::fetch::WeightsFolder;

mod known;
mod list;
mod progress;

pub use self::list::list;
use self::progress::FetchProgress;
use super::Usage;

/// How weights that are named come here.
#[derive(Args, Clone, Copy)]
pub struct FetchArgs {
    /// Fetch nothing: weights that are named must be here already
    #[arg(long)]
    offline: bool,
}

impl FetchArgs {
    /// The checkpoint that `--weights` means, for `model` if that is said.
    pub fn open(&self, weights: &Path, model: Option<Architecture>) -> Result<Checkpoint> {
        let Some(known) = known::find(weights, model)? else {
            return open(weights);
        };
        let folder = WeightsFolder::usual()?;
        let forbidden = self.offline.then_some("--offline forbids it");
        let mut progress = FetchProgress::new(known, &folder);
        let path = folder.get(known, forbidden, &mut |news| progress.tell(news))?;
        Ok(known.described(open(&path)?))
    }
}

/// The checkpoint at `path`.
pub fn open(path: &Path) -> Result<Checkpoint> {
    Checkpoint::open(path).map_err(|error| anyhow!("{} {error}", path.display()))
}

/// The option was given what is neither a file nor a name.
fn unknown(weights: &Path, expected: &str) -> anyhow::Error {
    Usage(format!(
        "--weights {}: there is no such file, and no weights of this name: expected {expected} [see `fpn models \
         --weights`]",
        weights.display()
    ))
    .into()
}
