//! The public face: a picture in, detections out.

use burn::backend::Dispatch;
use burn::tensor::{Device, Int, Tensor};
use image::{DynamicImage, RgbaImage};

use crate::detections::{Detection, Detections, PyramidLevel};
use crate::models::{Architecture, Model, ModelConfig, Output, Selection};
use crate::ops::candidates::Candidates;
use crate::transform::{Frame, ResizeBounds, Transform};
use crate::weights::{self, Checkpoint, WeightsError};

/// Largest input of a network, in pixels: beyond it the first activations alone take gigabytes.
const MAX_INPUT_PIXELS: usize = 1 << 25;

/// `eps` of a batch norm where nothing says otherwise (PyTorch's default).
const DEFAULT_BN_EPS: f64 = 1e-5;

/// Why a detector cannot be built.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BuildError {
    /// No model was named, and the checkpoint names none.
    #[error("the checkpoint does not say which model it is for: name one of {}", Architecture::names().join(", "))]
    NoArchitecture,
    /// The checkpoint names another model than the caller.
    #[error("the checkpoint says it is for {found}, not for {asked}")]
    OtherArchitecture {
        /// Named by the caller.
        asked: Architecture,
        /// Named by the checkpoint.
        found: Architecture,
    },
    /// The checkpoint was not usable; the sentence's subject is the checkpoint.
    #[error("the checkpoint {0}")]
    Weights(#[from] WeightsError),
    /// Names that do not match the classes.
    #[error(
        "{found} class names for {classes} classes: expected {classes}, or one less without the background"
    )]
    ClassNames {
        /// Classes, background included.
        classes: usize,
        /// Names given.
        found: usize,
    },
    /// An option out of its range.
    #[error("{option} is {found}: expected {expected}")]
    Option {
        /// Which option.
        option: &'static str,
        /// What it may be.
        expected: &'static str,
        /// What it is.
        found: String,
    },
}

/// Why a picture gives no detections.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum DetectError {
    /// A picture without pixels.
    #[error("the picture is {width}×{height} pixels: expected at least one")]
    NoPixels {
        /// Width in pixels.
        width: usize,
        /// Height in pixels.
        height: usize,
    },
    /// Raw bytes that are not the picture's size.
    #[error("{found} bytes for a {width}×{height} RGBA picture: expected {expected}")]
    Bytes {
        /// Width in pixels.
        width: usize,
        /// Height in pixels.
        height: usize,
        /// Bytes of such a picture.
        expected: usize,
        /// Bytes given.
        found: usize,
    },
    /// An input too large for memory.
    #[error(
        "the picture would enter the network as {width}×{height} pixels, over the limit of {limit}: set a smaller max-size"
    )]
    TooLarge {
        /// Width of the padded input.
        width: usize,
        /// Height of the padded input.
        height: usize,
        /// Most pixels allowed.
        limit: usize,
    },
    /// NaN or infinite activations.
    #[error(
        "the network gave NaN or infinite values: its weights do not suit its input or its batch norms' eps"
    )]
    NotFinite,
}

/// Collects what a [`Detector`] is built from; see [`Detector::builder`].
#[derive(Debug, Default)]
pub struct DetectorBuilder {
    architecture: Option<Architecture>,
    checkpoint: Checkpoint,
    bn_eps: Option<f64>,
    score_threshold: Option<f32>,
    limit: Option<usize>,
    min_size: Option<usize>,
    max_size: Option<usize>,
    class_names: Option<Vec<String>>,
}

impl DetectorBuilder {
    /// Which model the checkpoint is for; needed unless the checkpoint says so.
    pub fn architecture(mut self, architecture: Architecture) -> Self {
        self.architecture = Some(architecture);
        self
    }

    /// `eps` of the batch norms. By default what the checkpoint says (0 for torchvision's COCO
    /// files), or else 1e-5.
    pub fn bn_eps(mut self, eps: f64) -> Self {
        self.bn_eps = Some(eps);
        self
    }

    /// The model's own score threshold, 0 to 1. By default 0.05 for Faster R-CNN, 0.5 for
    /// RetinaFace.
    pub fn score_threshold(mut self, threshold: f32) -> Self {
        self.score_threshold = Some(threshold);
        self
    }

    /// Most detections of a picture. By default 100 for Faster R-CNN, 750 for RetinaFace.
    pub fn limit(mut self, limit: usize) -> Self {
        self.limit = Some(limit);
        self
    }

    /// What the picture's short side is resized to, in pixels. By default 800 for Faster R-CNN;
    /// RetinaFace leaves the picture's size unless this or [`max_size`](Self::max_size) is set.
    pub fn min_size(mut self, pixels: usize) -> Self {
        self.min_size = Some(pixels);
        self
    }

    /// What the picture's long side may be resized to at most, in pixels. By default 1333 for
    /// Faster R-CNN.
    pub fn max_size(mut self, pixels: usize) -> Self {
        self.max_size = Some(pixels);
        self
    }

    /// A name for every label; the background's (label 0) may be left out.
    pub fn class_names(mut self, names: Vec<String>) -> Self {
        self.class_names = Some(names);
        self
    }

    /// The detector, with its weights loaded.
    ///
    /// # Errors
    /// If the model is unknown, the checkpoint does not fit it, or an option is out of its range.
    pub fn build(self) -> Result<Detector, BuildError> {
        let config = self.config()?;
        let transform = self.transform(config.architecture)?;
        let selection = self.selection(config.architecture)?;
        let class_names = match (
            self.class_names,
            self.checkpoint.metadata.class_names.clone(),
        ) {
            (Some(names), _) | (None, Some(names)) => complete_names(names, config.classes)?,
            (None, None) => default_names(&config),
        };
        let model = weights::load(&config, &self.checkpoint)?;
        Ok(Detector {
            model,
            config,
            transform,
            selection,
            class_names,
            device: Device::flex(),
        })
    }

    fn config(&self) -> Result<ModelConfig, BuildError> {
        let metadata = &self.checkpoint.metadata;
        let architecture = match (self.architecture, metadata.architecture) {
            (Some(asked), Some(found)) if asked != found => {
                return Err(BuildError::OtherArchitecture { asked, found });
            }
            (Some(architecture), _) | (None, Some(architecture)) => architecture,
            (None, None) => return Err(BuildError::NoArchitecture),
        };
        let bn_eps = self.bn_eps.or(metadata.bn_eps).unwrap_or(DEFAULT_BN_EPS);
        check(
            "bn-eps",
            "a finite number of 0 or more",
            bn_eps,
            bn_eps.is_finite() && bn_eps >= 0.0,
        )?;
        Ok(ModelConfig {
            architecture,
            classes: weights::class_count(&self.checkpoint, architecture)?,
            bn_eps,
        })
    }

    fn transform(&self, architecture: Architecture) -> Result<Transform, BuildError> {
        let mut transform = architecture.transform();
        for (option, size) in [("min-size", self.min_size), ("max-size", self.max_size)] {
            let size = size.unwrap_or(1);
            check(option, "at least one pixel", size, size > 0)?;
        }
        let (least, most) = (self.min_size, self.max_size);
        transform.resize = match transform.resize {
            Some(default) => Some(ResizeBounds {
                min_size: least.unwrap_or(default.min_size),
                max_size: most.unwrap_or(default.max_size),
            }),
            // Whichever bound is not given does not bind.
            None if least.is_some() || most.is_some() => Some(ResizeBounds {
                min_size: least.unwrap_or(usize::MAX),
                max_size: most.unwrap_or(usize::MAX),
            }),
            None => None,
        };
        Ok(transform)
    }

    fn selection(&self, architecture: Architecture) -> Result<Selection, BuildError> {
        let default = architecture.selection();
        let selection = Selection {
            score_threshold: self.score_threshold.unwrap_or(default.score_threshold),
            limit: self.limit.unwrap_or(default.limit),
            ..default
        };
        let score = selection.score_threshold;
        check("score", "0 to 1", score, (0.0..=1.0).contains(&score))?;
        check("max", "at least 1", selection.limit, selection.limit > 0)?;
        Ok(selection)
    }
}

fn check(
    option: &'static str,
    expected: &'static str,
    found: impl std::fmt::Display,
    holds: bool,
) -> Result<(), BuildError> {
    match holds {
        true => Ok(()),
        false => Err(BuildError::Option {
            option,
            expected,
            found: found.to_string(),
        }),
    }
}

/// Names for all classes, the background's put in front where it was left out.
fn complete_names(mut names: Vec<String>, classes: usize) -> Result<Vec<String>, BuildError> {
    if names.len() + 1 == classes {
        names.insert(0, "background".to_owned());
    }
    match names.len() == classes {
        true => Ok(names),
        false => Err(BuildError::ClassNames {
            classes,
            found: names.len(),
        }),
    }
}

fn default_names(config: &ModelConfig) -> Vec<String> {
    match config.architecture {
        Architecture::RetinaFaceMobileNet025 => vec!["background".to_owned(), "face".to_owned()],
        Architecture::FasterRcnnFpn(_) => {
            let others = (1..config.classes).map(|label| format!("class {label}"));
            ["background".to_owned()]
                .into_iter()
                .chain(others)
                .collect()
        }
    }
}

/// A model with its weights, ready to look at pictures. `Send` and `Sync`: pictures can be given
/// to it from several threads.
///
/// ```
/// use fpn_wgpu::models::{Architecture, ModelConfig};
/// use fpn_wgpu::{Detector, weights};
///
/// let architecture: Architecture = "retinaface_mobilenet025".parse()?;
/// # let config = ModelConfig { architecture, classes: 2, bn_eps: 1e-5 };
/// # let checkpoint = weights::seeded(&config, 1);
/// # /*
/// let checkpoint = weights::Checkpoint::open("retinaface_mobilenet025.pth".as_ref())?;
/// # */
/// let detector = Detector::builder(checkpoint)
///     .architecture(architecture)
///     .score_threshold(0.6)
///     .build()?;
/// let picture = image::DynamicImage::new_rgb8(320, 240);
/// for face in detector.detect(&picture)?.items {
///     println!("{:?} {:.3}", face.bbox, face.score);
/// }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Detector {
    model: Model,
    config: ModelConfig,
    transform: Transform,
    selection: Selection,
    class_names: Vec<String>,
    device: Device,
}

impl Detector {
    /// Begin with the weights; what else is not said is read from them or taken from the model.
    pub fn builder(checkpoint: Checkpoint) -> DetectorBuilder {
        DetectorBuilder {
            checkpoint,
            ..DetectorBuilder::default()
        }
    }

    /// What the model was built from.
    pub fn config(&self) -> &ModelConfig {
        &self.config
    }

    /// A name for every label, background first.
    pub fn class_names(&self) -> &[String] {
        &self.class_names
    }

    /// Where the model runs: `cpu`.
    pub fn device_name(&self) -> &'static str {
        "cpu"
    }

    /// The detections in a picture. Grey is repeated into red, green and blue, 16 bits are rounded
    /// to 8, and alpha is dropped, not blended.
    ///
    /// # Errors
    /// If the picture has no pixels or too many, or the network's values are not finite.
    pub fn detect(&self, picture: &DynamicImage) -> Result<Detections, DetectError> {
        let (frame, output) = self.look(&picture.to_rgba8())?;
        Ok(self.read(output.detections, &frame))
    }

    /// The detections in a picture of `width × height` pixels, four bytes (red, green, blue, alpha)
    /// each, row by row from the top; alpha is ignored.
    ///
    /// # Errors
    /// As [`detect`](Self::detect), and if there are more or fewer bytes.
    pub fn detect_rgba(
        &self,
        width: usize,
        height: usize,
        bytes: Vec<u8>,
    ) -> Result<Detections, DetectError> {
        let (expected, found) = (width * height * 4, bytes.len());
        let picture = RgbaImage::from_raw(width as u32, height as u32, bytes)
            .filter(|_| expected == found)
            .ok_or(DetectError::Bytes {
                width,
                height,
                expected,
                found,
            })?;
        let (frame, output) = self.look(&picture)?;
        Ok(self.read(output.detections, &frame))
    }

    /// As [`detect`](Self::detect), with the pyramid's levels, finest first.
    ///
    /// # Errors
    /// As [`detect`](Self::detect).
    pub fn detect_with_pyramid(
        &self,
        picture: &DynamicImage,
    ) -> Result<(Detections, Vec<PyramidLevel>), DetectError> {
        let (frame, output) = self.look(&picture.to_rgba8())?;
        let finest = self.config.architecture.finest_level();
        let levels = output.pyramid.into_iter().zip(finest..);
        let levels = levels.map(|(map, level)| PyramidLevel::new(level, map, &frame));
        let levels = levels.collect();
        Ok((self.read(output.detections, &frame), levels))
    }

    fn look(&self, picture: &RgbaImage) -> Result<(Frame, Output), DetectError> {
        let frame = self.frame(picture)?;
        let output = self.model.forward(
            self.transform.apply(picture, &frame, &self.device),
            frame.tensor(&self.device),
            self.selection,
        );
        match output.pyramid.iter().all(is_finite) {
            true => Ok((frame, output)),
            false => Err(DetectError::NotFinite),
        }
    }

    fn frame(&self, picture: &RgbaImage) -> Result<Frame, DetectError> {
        let (width, height) = (picture.width() as usize, picture.height() as usize);
        if width * height == 0 {
            return Err(DetectError::NoPixels { width, height });
        }
        let frame = self.transform.frame([height, width]);
        let [height, width] = frame.padded;
        match height.saturating_mul(width) > MAX_INPUT_PIXELS {
            true => Err(DetectError::TooLarge {
                width,
                height,
                limit: MAX_INPUT_PIXELS,
            }),
            false => Ok(frame),
        }
    }

    /// The rows that are meant, in memory.
    fn read(&self, found: Candidates<Dispatch>, frame: &Frame) -> Detections {
        let ints = |tensor| -> Vec<i32> {
            let tensor = Tensor::<1, Int>::from_dispatch(tensor);
            tensor
                .into_data()
                .try_to_vec()
                .expect("the operation gives i32")
        };
        let scores = Tensor::<1>::from_dispatch(found.scores).into_data();
        let scores: Vec<f32> = scores.try_to_vec().expect("the operation gives f32");
        let rows = Tensor::<2>::from_dispatch(found.rows);
        let [_, width] = rows.dims();
        let rows: Vec<f32> = rows
            .into_data()
            .try_to_vec()
            .expect("the operation gives f32");
        let (labels, levels) = (ints(found.labels), ints(found.levels));
        let count = ints(found.count)[0] as usize;
        let items = (0..count).map(|i| {
            let row = &rows[i * width..][..width];
            let landmarks: Vec<[f32; 2]> = row[4..].as_chunks().0.to_vec();
            let label = labels[i] as usize;
            Detection {
                bbox: [row[0], row[1], row[2], row[3]],
                label,
                name: self.class_names[label].clone(),
                score: scores[i],
                level: levels[i] as usize,
                landmarks: (!landmarks.is_empty()).then_some(landmarks),
            }
        });
        Detections {
            width: frame.original[1],
            height: frame.original[0],
            items: items.collect(),
        }
    }
}

/// Whether a map holds neither NaN nor infinities: their sum would be neither finite.
fn is_finite(map: &Tensor<4>) -> bool {
    let sum: f32 = map.clone().abs().sum().into_scalar();
    sum.is_finite()
}
