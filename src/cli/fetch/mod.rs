//! `--weights`: a file, or the name of published weights, which are fetched once and kept.

use std::path::{Path, PathBuf};

use anyhow::{Result, anyhow};
use clap::Args;
use fpn_wgpu::models::{Architecture, Source};
use fpn_wgpu::weights::official::{self, Known};
use fpn_wgpu::weights::{Checkpoint, Metadata};

#[cfg(feature = "fetch")]
mod download;
#[cfg(feature = "fetch")]
mod incoming;
mod kept;
mod known;
mod list;
#[cfg(all(test, feature = "fetch"))]
mod tests;

use self::kept::Wanted;
pub use self::list::list;
use super::{Usage, cache};

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
        let mut checkpoint = open(&self.fetched(known)?)?;
        checkpoint.metadata = Metadata {
            pooling_mode: checkpoint.metadata.pooling_mode,
            ..official::metadata(known.model, known.file)
        };
        Ok(checkpoint)
    }

    /// Where published weights lie, fetched if they did not.
    fn fetched(&self, known: Known) -> Result<PathBuf> {
        let file = known.file;
        let folder = folder()?;
        let wanted = Wanted {
            name: file.file_name,
            sha256_prefix: file.sha256_prefix,
            folder: &folder,
        };
        let by_hand = |reason: &str, from: &str| {
            let folder = folder.display();
            anyhow!(
                "{} cannot be fetched: {reason}; fetch it yourself from {from} and put it into {folder}",
                file.file_name
            )
        };
        if let Some(path) = wanted.find()? {
            return Ok(path);
        }
        match file.source {
            Source::Page(page) => Err(by_hand("its publisher gives it to people only", page)),
            Source::Folder(parent) => {
                let url = mirrored(&format!("{parent}{}", file.file_name));
                match self.offline {
                    true => Err(by_hand("--offline forbids it", &url)),
                    false => get(known, &wanted, &url)
                        .map_err(|error| by_hand(&format!("{error:#}"), &url)),
                }
            }
        }
    }
}

/// Fetch a file that is not here.
#[cfg(feature = "fetch")]
fn get(known: Known, wanted: &Wanted, url: &str) -> Result<PathBuf> {
    wanted.get(|part| {
        eprintln!(
            "fetching {url} into {}: {}",
            wanted.folder.display(),
            known.file.licence
        );
        download::download(&download::agent(url), url, part)
    })
}

#[cfg(not(feature = "fetch"))]
fn get(_: Known, _: &Wanted, _: &str) -> Result<PathBuf> {
    Err(anyhow!("this fpn was built without the feature 'fetch'"))
}

/// The checkpoint at `path`.
pub fn open(path: &Path) -> Result<Checkpoint> {
    Checkpoint::open(path).map_err(|error| anyhow!("{} {error}", path.display()))
}

/// Where fetched weights are kept.
fn folder() -> Result<PathBuf> {
    let told = std::env::var_os("FPN_WEIGHTS_DIR").filter(|folder| !folder.is_empty());
    let usual = || cache::folder().map(|folder| folder.join("weights"));
    let folder = told.map(PathBuf::from).or_else(usual);
    folder.ok_or_else(|| {
        anyhow!(
            "there is no folder for caches here, to keep weights in: name one by FPN_WEIGHTS_DIR"
        )
    })
}

/// The same path on the server that `FPN_WEIGHTS_URL` names instead, if it does.
fn mirrored(url: &str) -> String {
    let mirror = std::env::var("FPN_WEIGHTS_URL").unwrap_or_default();
    let path = url
        .split_once("://")
        .and_then(|(_, rest)| rest.split_once('/'));
    match (mirror.trim_end_matches('/'), path) {
        ("", _) | (_, None) => url.to_owned(),
        (mirror, Some((_, path))) => format!("{mirror}/{path}"),
    }
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
