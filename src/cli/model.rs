//! The options that name a model, its weights and a device.

use std::path::{Path, PathBuf};

use anyhow::{Result, anyhow};
use clap::Args;
use clap::builder::{PossibleValuesParser, TypedValueParser};
use fpn_wgpu::models::faster_rcnn::PYRAMID_TINY;
use fpn_wgpu::models::{Architecture, StrideIn, Strides};
use fpn_wgpu::weights::{self, Checkpoint};
use fpn_wgpu::{BuildError, Detector, DetectorBuilder};

use super::fetch::FetchArgs;
use super::named::one_of;
use super::{Usage, labels};

/// Which model, and what its checkpoint does not say.
#[derive(Args)]
pub struct ModelArgs {
    /// The model the weights are for; not needed where the file says so [see `fpn models`]
    #[arg(long, value_name = "NAME", value_parser = architecture_parser(), hide_possible_values = true)]
    pub model: Option<Architecture>,

    /// A name for each class, one a line; the background's may be left out
    #[arg(long, value_name = "FILE")]
    pub labels: Option<PathBuf>,

    /// eps of the batch norms: 0 for models fine-tuned from torchvision's COCO weights
    #[arg(long, value_name = "EPS", allow_negative_numbers = true)]
    pub bn_eps: Option<f64>,

    /// Where bottlenecks have their stride: 1x1 (Caffe's weights) or 3x3 (torchvision's)
    #[arg(long, value_name = "WHERE", value_parser = one_of(StrideIn::ALL.map(|place| (place.name(), place))))]
    pub stride_in: Option<StrideIn>,

    /// Which strides EFPN's anchors and RoIs go by: those that the published code declares, or the true
    /// ones, half as much
    #[arg(long, value_name = "WHICH", value_parser = one_of(Strides::ALL.map(|strides| (strides.name(), strides))))]
    pub strides: Option<Strides>,

    /// What blue, green and red are divided by, of detectron2's models: 1,1,1 (Caffe's weights) or
    /// 57.375,57.12,58.395
    #[arg(long, value_name = "B,G,R", value_parser = channels)]
    pub pixel_std: Option<[f32; 3]>,

    #[command(flatten)]
    pub fetch: FetchArgs,
}

/// Takes the name of an architecture.
pub fn architecture_parser() -> impl TypedValueParser<Value = Architecture> {
    PossibleValuesParser::new(Architecture::names()).map(|name| {
        name.parse()
            .expect("the name is one of the possible values")
    })
}

/// Three numbers.
fn channels(text: &str) -> Result<[f32; 3], String> {
    let numbers: Result<Vec<f32>, _> = text.split(',').map(|part| part.trim().parse()).collect();
    let channels = numbers.ok().and_then(|numbers| numbers.try_into().ok());
    channels.ok_or_else(|| "expected three numbers with commas between them".to_owned())
}

impl ModelArgs {
    /// The checkpoint that `--weights` means.
    pub fn open(&self, weights: &Path) -> Result<Checkpoint> {
        self.fetch.open(weights, self.model)
    }

    /// The checkpoint that `--weights` means, or else the built-in one, and a builder that has been told what these
    /// options say.
    pub fn builder(&self, path: Option<&Path>) -> Result<DetectorBuilder> {
        let checkpoint = match (path, self.model) {
            (Some(path), _) => self.open(path)?,
            (None, model) => {
                let model = model.unwrap_or(PYRAMID_TINY);
                weights::builtin(model).ok_or_else(|| {
                    Usage(format!(
                        "--weights FILE is missing: {model} has no weights of its own, as {PYRAMID_TINY} has"
                    ))
                })?
            }
        };
        if let (Some(path), Some(mode)) = (path, &checkpoint.metadata.pooling_mode)
            && mode != "pool"
        {
            let path = path.display();
            eprintln!("{path} was trained with pooling_mode '{mode}': RoIPool is used instead");
        }
        if let Some(model) = self.model.or(checkpoint.metadata.architecture) {
            tell_ignored(&checkpoint, model);
        }
        self.told(Detector::builder(checkpoint))
    }

    /// A builder that has been told what these options say.
    pub fn told(&self, mut builder: DetectorBuilder) -> Result<DetectorBuilder> {
        if let Some(model) = self.model {
            builder = builder.architecture(model);
        }
        if let Some(eps) = self.bn_eps {
            builder = builder.bn_eps(eps);
        }
        if let Some(place) = self.stride_in {
            builder = builder.stride_in(place);
        }
        if let Some(strides) = self.strides {
            builder = builder.strides(strides);
        }
        if let Some(std) = self.pixel_std {
            builder = builder.pixel_std(std);
        }
        if let Some(path) = &self.labels {
            builder = builder.class_names(labels::read(path)?);
        }
        Ok(builder)
    }

    /// The detector, its errors told with the names of files and options.
    pub fn build(&self, builder: DetectorBuilder, weights: Option<&Path>) -> Result<Detector> {
        let weights = weights.unwrap_or(Path::new("the built-in checkpoint"));
        let detector = builder
            .build()
            .map_err(|error| self.misbuilt(error, weights))?;
        let weights = weights.display();
        let config = detector.config();
        if !config.architecture.specification().ftts.is_empty() && config.ftt.is_none() {
            eprintln!(
                "{weights} has no layers of a feature texture transfer (the published code makes them anew in \
                 every pass and keeps none): P2 is the plain pyramid's"
            );
        }
        Ok(detector)
    }

    /// Why no detector can be built, with the names of files and options.
    pub fn misbuilt(&self, error: BuildError, weights: &Path) -> anyhow::Error {
        let names = self.labels.as_deref().unwrap_or(weights).display();
        let weights = weights.display();
        let listed = |models: &[Architecture], between: &str| {
            let names: Vec<&str> = models.iter().map(|model| model.name()).collect();
            names.join(between)
        };
        match error {
            BuildError::NoArchitecture { fits } => {
                let which = match fits.as_slice() {
                    [model] => format!("give --model {model}, which it fits"),
                    fits => format!("give --model, one of {}", listed(fits, ", ")),
                };
                Usage(format!(
                    "{weights} does not say which model it is for: {which}"
                ))
                .into()
            }
            BuildError::FitsOthers { error, fits } => {
                anyhow!(
                    "{weights} {error}; it fits --model {}",
                    listed(&fits, " or ")
                )
            }
            BuildError::Option {
                option,
                expected,
                found,
            } => Usage(format!("{} is {found}: expected {expected}", flag(option))).into(),
            BuildError::OtherArchitecture { asked, found } => {
                anyhow!("{weights} says it is for {found}, not for --model {asked}")
            }
            BuildError::ClassNames { classes, found } => anyhow!(
                "{names} names {found} classes: expected {classes}, or one less without the background"
            ),
            BuildError::Weights(error) => anyhow!("{weights} {error}"),
            other => other.into(),
        }
    }
}

/// Say what a checkpoint holds besides the model's parameters.
fn tell_ignored(checkpoint: &Checkpoint, model: Architecture) {
    let (count, parts) = checkpoint.training_parts(model);
    if count > 0 {
        let parts: Vec<&str> = parts
            .iter()
            .map(|part| part.trim_end_matches('.'))
            .collect();
        let parts = parts.join(", ");
        let tensors = if count == 1 { "tensor" } else { "tensors" };
        eprintln!("ignored: {count} {tensors} of {parts}, which detection does not use");
    }
}

/// The option that tells a builder what it calls by this name.
fn flag(name: &str) -> String {
    match name {
        "score_threshold" => "--score".to_owned(),
        "limit" => "--max".to_owned(),
        _ => format!("--{}", name.replace('_', "-")),
    }
}
