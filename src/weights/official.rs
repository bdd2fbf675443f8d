//! Checkpoints that others published: by name, and told apart by their publisher's hash.

use std::collections::BTreeSet;
use std::io::Read;
use std::path::Path;

use sha2::{Digest, Sha256};

use super::{Checkpoint, Metadata};
use crate::models::{Architecture, Published, Source};

/// Whose weights a name means where no model is named: of several models that have weights of this name, the first of
/// these that is known, small and good; else the first that is listed and can be fetched.
const USUAL: [&str; 2] = [
    "nanodet_plus_m_416",
    "fasterrcnn_mobilenet_v3_large_320_fpn",
];

/// Published weights with the model that they are for.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Known {
    /// The model.
    pub model: Architecture,
    /// What is known of the file.
    pub file: &'static Published,
}

impl Known {
    /// Whether a program can fetch them, and not only a person.
    pub fn can_be_fetched(&self) -> bool {
        matches!(self.file.source, Source::Folder(_))
    }

    /// This one's checkpoint with all that is known of it.
    pub fn described(&self, checkpoint: Checkpoint) -> Checkpoint {
        let metadata = Metadata {
            pooling_mode: checkpoint.metadata.pooling_mode.clone(),
            ..metadata(self.model, self.file)
        };
        Checkpoint {
            metadata,
            ..checkpoint
        }
    }
}

/// All of them.
pub fn all() -> impl Iterator<Item = Known> {
    Architecture::all().flat_map(|model| {
        let files = model.specification().published.iter();
        files.map(move |file| Known { model, file })
    })
}

/// What is meant by what someone gives for weights.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Meant {
    /// A file: one that is there, or a path that could be one's.
    File,
    /// Published weights, by their name.
    Published(Known),
    /// Neither: no weights have this name.
    Nothing,
}

impl Meant {
    /// By `weights`, for `model` if that is said.
    pub fn by(weights: &Path, model: Option<Architecture>) -> Self {
        let is_path = weights.components().count() > 1 || weights.extension().is_some();
        if is_path || weights.exists() {
            return Self::File;
        }
        let known = weights.to_str().and_then(|name| find(name, model));
        known.map_or(Self::Nothing, Self::Published)
    }
}

/// The names of published weights, of `model` if that is said, each once.
pub fn names(model: Option<Architecture>) -> BTreeSet<&'static str> {
    let known = all().filter(|known| model.is_none_or(|model| known.model == model));
    known.map(|known| known.file.name).collect()
}

/// The weights of this name, of `model` if that is said, or else those that are usually meant.
pub fn find(name: &str, model: Option<Architecture>) -> Option<Known> {
    match model {
        None => usual(name),
        Some(model) => all().find(|known| known.file.name == name && known.model == model),
    }
}

/// The weights of this name that are meant where no model is said.
pub fn usual(name: &str) -> Option<Known> {
    let named = || all().filter(|known| known.file.name == name);
    let of = |model| named().find(|known| known.model.name() == model);
    let usual = USUAL.into_iter().find_map(of);
    usual
        .or_else(|| named().find(Known::can_be_fetched))
        .or_else(|| named().next())
}

/// What is known of the published file with this SHA-256, in hexadecimal digits.
pub fn by_sha256(sha256: &str) -> Option<Metadata> {
    Architecture::all().find_map(|architecture| {
        let mut published = architecture.specification().published.iter();
        let is_of = |prefix: &str| sha256.starts_with(prefix);
        let published = published.find(|file| file.sha256_prefix.is_some_and(is_of))?;
        Some(metadata(architecture, published))
    })
}

/// What is known of a file that was published for `architecture`.
pub fn metadata(architecture: Architecture, published: &Published) -> Metadata {
    let class_names = published.class_names.iter().map(|&name| name.to_owned());
    Metadata {
        architecture: Some(architecture),
        class_names: Some(class_names.collect()),
        bn_eps: Some(published.bn_eps),
        ..Metadata::default()
    }
}

/// The SHA-256 of all that a reader gives, in hexadecimal digits.
///
/// # Errors
/// The reader's.
pub fn sha256(mut reader: impl Read) -> std::io::Result<String> {
    let mut hasher = Sha256::new();
    let mut buffer = vec![0; 1 << 20];
    loop {
        match reader.read(&mut buffer)? {
            0 => break,
            count => hasher.update(&buffer[..count]),
        }
    }
    let digest = hasher.finalize();
    Ok(digest.iter().map(|byte| format!("{byte:02x}")).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::models::faster_rcnn;

    #[test]
    fn a_published_file_is_known_by_its_hash() {
        let hash = "258fb6c638f9d48d3a1d4c3d4bd9c5d4d8c1e2a5f6b7089a1b2c3d4e5f60718";
        let metadata = by_sha256(hash).unwrap();
        assert_eq!(metadata.architecture, Some(faster_rcnn::RESNET50_FPN));
        assert_eq!(metadata.bn_eps, Some(0.0));
        assert_eq!(metadata.class_names.unwrap()[90], "toothbrush");
        assert_eq!(by_sha256("358fb6c6"), None);
    }
}
