//! What a detector is built from, and the checks on it.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::class_names::ClassNames;
use crate::compile::{ConvTable, Precision};
use crate::cpu::CpuEngine;
use crate::detector::{Detector, Engine};
use crate::error::BuildError;
use crate::gpu::{Gpu, GpuEngine};
use crate::models::{Architecture, ModelConfig, Request, Selection, StrideIn, Strides, Upsampling};
use crate::plan::MapKind;
use crate::transform::{ResizeBounds, Transform};
use crate::weights::{self, Checkpoint, WeightsError};

/// `eps` of a batch norm where nothing says otherwise (PyTorch's default).
const DEFAULT_BN_EPS: f64 = 1e-5;

/// Collects what a [`Detector`] is built from; see [`Detector::builder`].
#[derive(Debug, Default)]
pub struct DetectorBuilder {
    architecture: Option<Architecture>,
    checkpoint: Checkpoint,
    bn_eps: Option<f64>,
    score_threshold: Option<f32>,
    nms_threshold: Option<f32>,
    limit: Option<usize>,
    proposals: Option<usize>,
    min_size: Option<usize>,
    max_size: Option<usize>,
    class_names: Option<Vec<String>>,
    top_down: Option<Upsampling>,
    stride_in: Option<StrideIn>,
    strides: Option<Strides>,
    pixel_std: Option<[f32; 3]>,
    map_kinds: Option<BTreeSet<MapKind>>,
    maps: BTreeSet<MapKind>,
    maps_alone: bool,
    inspectable: bool,
    clocked: bool,
    gpu: Option<Arc<Gpu>>,
    table: Option<ConvTable>,
    precision: Precision,
}

impl Detector {
    /// Begin with the weights; what else is not said is read from them or taken from the model.
    pub fn builder(checkpoint: Checkpoint) -> DetectorBuilder {
        DetectorBuilder {
            checkpoint,
            ..DetectorBuilder::default()
        }
    }
}

impl DetectorBuilder {
    /// Maps that [`Detector::detect_with_maps`] and [`Detector::maps`] give besides the pyramid's
    /// levels. On a GPU they keep their memory until a picture is done.
    pub fn maps(mut self, kinds: impl IntoIterator<Item = MapKind>) -> Self {
        self.maps.extend(kinds);
        self
    }

    /// Maps of these kinds instead of the pyramid's levels. What is small is soon read back: for a live view take
    /// [`MapKind::Strength`] and [`MapKind::Objectness`], a value a cell.
    pub fn map_kinds(mut self, kinds: impl IntoIterator<Item = MapKind>) -> Self {
        self.map_kinds = Some(kinds.into_iter().collect());
        self
    }

    /// Give maps and find no objects: for [`Detector::maps`], which then computes no more than it
    /// takes.
    pub fn maps_alone(mut self) -> Self {
        self.maps_alone = true;
        self
    }

    /// For [`Detector::inspect`], too: all that detections are made of is at hand on demand. On a GPU it keeps its
    /// memory until a picture is done; a picture that is not inspected takes no longer.
    pub fn inspectable(mut self) -> Self {
        self.inspectable = true;
        self
    }

    /// Time the parts of each picture by the GPU's own clock, where it has one: for
    /// [`Pending::finish_timed`](crate::Pending::finish_timed). It takes a pass for each part instead of one for all.
    pub fn clocked(mut self) -> Self {
        self.clocked = true;
        self
    }

    /// Compute on a GPU; without one, on the CPU.
    pub fn gpu(mut self, gpu: impl Into<Option<Arc<Gpu>>>) -> Self {
        self.gpu = gpu.into();
        self
    }

    /// How long convolutions take on the GPU, by which their kernels are chosen: the outcome of
    /// [`tune`](crate::gpu::tune). By default what was measured on adapters of its kind.
    pub fn conv_table(mut self, table: impl Into<Option<ConvTable>>) -> Self {
        self.table = table.into();
        self
    }

    /// What a GPU stores maps and weights in and multiplies in; by default 32 bits. The CPU engine
    /// computes in 32 bits whatever is said here.
    pub fn precision(mut self, precision: Precision) -> Self {
        self.precision = precision;
        self
    }

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

    /// How a coarse level is upsampled on the way down. By default to the nearest cell, and few models
    /// know another way.
    pub fn top_down(mut self, upsampling: Upsampling) -> Self {
        self.top_down = Some(upsampling);
        self
    }

    /// Where bottlenecks have their stride, which no tensor tells. By default what the checkpoint says, or
    /// else what is usual for the model; most know one place only.
    pub fn stride_in(mut self, place: StrideIn) -> Self {
        self.stride_in = Some(place);
        self
    }

    /// Which strides EFPN's anchors and RoIs go by, which no tensor tells. By default what the checkpoint says,
    /// or else those that the published code declares.
    pub fn strides(mut self, strides: Strides) -> Self {
        self.strides = Some(strides);
        self
    }

    /// What blue, green and red are divided by, of detectron2's models. By default what the checkpoint says,
    /// or else what is usual for its bottom-up network.
    pub fn pixel_std(mut self, std: [f32; 3]) -> Self {
        self.pixel_std = Some(std);
        self
    }

    /// The model's own score threshold, 0 to 1. By default 0.05 for Faster R-CNN, 0.5 for
    /// RetinaFace.
    pub fn score_threshold(mut self, threshold: f32) -> Self {
        self.score_threshold = Some(threshold);
        self
    }

    /// Overlap (intersection over union, 0 to 1) above which the weaker of two detections of a class falls. By
    /// default the model's own, 0.3 to 0.6. [`Detector::set_nms_threshold`] changes it later.
    pub fn nms_threshold(mut self, threshold: f32) -> Self {
        self.nms_threshold = Some(threshold);
        self
    }

    /// Most detections of a picture. By default 100 for Faster R-CNN, 750 for RetinaFace.
    pub fn limit(mut self, limit: usize) -> Self {
        self.limit = Some(limit);
        self
    }

    /// Best proposals that a two-stage model looks at again, 1 to
    /// [`Architecture::most_proposals`]. By default 1000;
    /// fewer take less time, and miss more.
    pub fn proposals(mut self, proposals: usize) -> Self {
        self.proposals = Some(proposals);
        self
    }

    /// What the picture's short side is resized to, in pixels. By default 800 for Faster R-CNN;
    /// RetinaFace leaves the picture's size unless this or [`max_size`](Self::max_size) is set. NanoDet
    /// brings pictures into a square, whose side both are.
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

    /// A name for every label; the background's (label 0) may be left out. Where there are more than the model
    /// has classes, its labels are those whose names are not "N/A".
    pub fn class_names(mut self, names: Vec<String>) -> Self {
        self.class_names = Some(names);
        self
    }

    /// The detector, with its weights loaded.
    ///
    /// # Errors
    /// If the model is unknown, the checkpoint does not fit it, or an option is out of its range.
    pub fn build(self) -> Result<Detector, BuildError> {
        pollster::block_on(self.build_async(async || {}))
    }

    /// As [`build`](Self::build), for browsers, where a long task would hold up the page: the work
    /// for a GPU is done in slices of some milliseconds, and `pause` is awaited between them.
    ///
    /// # Errors
    /// As [`build`](Self::build).
    pub async fn build_async(self, pause: impl AsyncFn()) -> Result<Detector, BuildError> {
        // Tensors are read when they are asked for: this copies their names.
        let checkpoint = self.checkpoint.clone();
        let built = self.built(pause).await;
        built.map_err(|error| match error {
            BuildError::Weights(error @ WeightsError::Mismatch { .. }) => {
                match weights::fitting(&checkpoint) {
                    fits if fits.is_empty() => BuildError::Weights(error),
                    fits => BuildError::FitsOthers { error, fits },
                }
            }
            error => error,
        })
    }

    async fn built(self, pause: impl AsyncFn()) -> Result<Detector, BuildError> {
        let config = self.config()?;
        let transform = self.transform(&config)?;
        let asked = self.request(config.architecture)?;
        let request = self.with_inspection(&asked);
        let told = self.class_names.as_ref();
        let told = told.or(self.checkpoint.metadata.class_names.as_ref());
        let class_names = match told {
            Some(names) => names.clone(),
            None => config.architecture.default_names(config.classes),
        };
        let class_names = ClassNames::new(class_names, config.classes)?;
        let checkpoint = self.checkpoint.in_layout_of(config.architecture)?;
        let engine = match self.gpu {
            None => Engine::Cpu(CpuEngine::new(
                weights::load(&config, &checkpoint)?,
                transform,
                request,
            )),
            Some(gpu) => {
                let engine = GpuEngine::new(
                    gpu,
                    config,
                    transform,
                    request,
                    &checkpoint,
                    (self.table, self.precision),
                    &pause,
                );
                Engine::Gpu(engine.await?.clocked(self.clocked))
            }
        };
        Ok(Detector::new(
            config,
            transform,
            class_names,
            &asked,
            engine,
        ))
    }

    /// The model's form: what the checkpoint says of it, and what was said here.
    ///
    /// # Errors
    /// If the checkpoint is of no known model, or is said to be what it is not.
    pub fn config(&self) -> Result<ModelConfig, BuildError> {
        let metadata = &self.checkpoint.metadata;
        let architecture = match (self.architecture, metadata.architecture) {
            (Some(asked), Some(found)) if asked != found => {
                return Err(BuildError::OtherArchitecture { asked, found });
            }
            (Some(architecture), _) | (None, Some(architecture)) => architecture,
            (None, None) => {
                let mut fits = weights::fitting(&self.checkpoint);
                if fits.is_empty() {
                    fits = Architecture::all().collect();
                }
                return Err(BuildError::NoArchitecture { fits });
            }
        };
        let known = architecture.specification().top_down;
        let top_down = self.top_down.unwrap_or(known[0]);
        check(
            "top_down",
            "nearest, the only way that this model knows",
            top_down,
            known.contains(&top_down),
        )?;
        let usual = ModelConfig {
            classes: weights::class_count(&self.checkpoint, architecture)?,
            top_down,
            ..ModelConfig::of(architecture)
        };
        let told = weights::form(&self.checkpoint, usual)?;
        self.chosen(told)
    }

    /// A model's form with what was said here, and what the checkpoint says of it besides its tensors.
    ///
    /// # Errors
    /// If the model has no such choice.
    pub fn chosen(&self, mut config: ModelConfig) -> Result<ModelConfig, BuildError> {
        let metadata = &self.checkpoint.metadata;
        config.bn_eps = self.bn_eps.or(metadata.bn_eps).unwrap_or(DEFAULT_BN_EPS);
        check(
            "bn_eps",
            "a finite number of 0 or more",
            config.bn_eps,
            config.bn_eps.is_finite() && config.bn_eps >= 0.0,
        )?;
        let specification = config.architecture.specification();
        if let Some(place) = self.stride_in.or(metadata.stride_in) {
            let known = specification.stride_in;
            let expected = match known {
                [] => "nothing, since this model has no bottlenecks".to_owned(),
                _ => format!("{}, the only place that this model knows", config.stride_in),
            };
            check("stride_in", expected, place, known.contains(&place))?;
            config.stride_in = place;
        }
        if let Some(strides) = self.strides.or(metadata.strides) {
            let other = config.with_strides(strides);
            let expected = "nothing, since this model knows one kind only";
            check("strides", expected, strides, other.is_some())?;
            config = other.unwrap_or(config);
        }
        if let Some(mean) = metadata.pixel_mean.filter(|_| specification.has_extras) {
            config.pixel_mean = mean;
        }
        if let Some(std) = self.pixel_std.or(metadata.pixel_std) {
            let found = format!("{std:?}");
            let expected = "nothing, since this model's is always the same";
            check("pixel_std", expected, &found, specification.has_extras)?;
            let is_usable = std.iter().all(|std| std.is_finite() && *std > 0.0);
            check("pixel_std", "three numbers above 0", found, is_usable)?;
            config.pixel_std = std;
        }
        Ok(config)
    }

    fn transform(&self, config: &ModelConfig) -> Result<Transform, BuildError> {
        let mut transform = config.transform();
        for (option, size) in [("min_size", self.min_size), ("max_size", self.max_size)] {
            let size = size.unwrap_or(1);
            check(option, "at least one pixel", size, size > 0)?;
        }
        let (mut least, mut most) = (self.min_size, self.max_size);
        if transform.resizer.is_warp() {
            (least, most) = (least.or(most), most.or(least));
            check(
                "max_size",
                format!(
                    "{}, as the other: this model brings pictures into a square",
                    least.unwrap_or_default()
                ),
                most.unwrap_or_default(),
                least == most,
            )?;
        }
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

    fn request(&self, architecture: Architecture) -> Result<Request, BuildError> {
        let mut request = Request::of(architecture);
        if let Some(kinds) = &self.map_kinds {
            request.maps.clone_from(kinds);
        }
        request.maps.extend(&self.maps);
        request.selection = match request.selection.filter(|_| !self.maps_alone) {
            Some(default) => Some(self.selection(architecture, default)?),
            None => None,
        };
        Ok(request)
    }

    /// What an engine is asked for, so that it gives what its user asked for, and an inspection what that takes.
    fn with_inspection(&self, asked: &Request) -> Request {
        let mut request = asked.clone();
        if self.inspectable && asked.selection.is_some() {
            let kinds = [MapKind::Features, MapKind::Pyramid, MapKind::Heads];
            request.maps.extend(kinds);
            request.proposals = true;
            request.rows = true;
        }
        request
    }

    fn selection(
        &self,
        architecture: Architecture,
        default: Selection,
    ) -> Result<Selection, BuildError> {
        let selection = Selection {
            score_threshold: self.score_threshold.unwrap_or(default.score_threshold),
            nms_threshold: self.nms_threshold.unwrap_or(default.nms_threshold),
            limit: self.limit.unwrap_or(default.limit),
            proposals: self.proposals.unwrap_or(default.proposals),
        };
        check_share("score_threshold", selection.score_threshold)?;
        check_share("nms_threshold", selection.nms_threshold)?;
        check("limit", "at least 1", selection.limit, selection.limit > 0)?;
        let most = architecture.most_proposals();
        if let Some(proposals) = self.proposals.filter(|_| most > 0) {
            check(
                "proposals",
                format!("1 to {most}"),
                proposals,
                (1..=most).contains(&proposals),
            )?;
        }
        Ok(selection)
    }
}

/// # Errors
/// If an option that is a share of something is not from 0 to 1.
pub(crate) fn check_share(option: &'static str, share: f32) -> Result<(), BuildError> {
    check(option, "0 to 1", share, (0.0..=1.0).contains(&share))
}

fn check(
    option: &'static str,
    expected: impl Into<String>,
    found: impl std::fmt::Display,
    holds: bool,
) -> Result<(), BuildError> {
    match holds {
        true => Ok(()),
        false => Err(BuildError::Option {
            option,
            expected: expected.into(),
            found: found.to_string(),
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::compile::{Target, compile};
    use crate::models::faster_rcnn::{PYRAMID_TINY, RESNET50_FPN};
    use crate::models::faster_rcnn_c4;

    #[test]
    fn a_stride_is_where_the_model_knows_it() {
        let config = ModelConfig::of(RESNET50_FPN);
        let builder = Detector::builder(weights::seeded(&config, 1));
        let error = builder.stride_in(StrideIn::First).build();
        let error = error.expect_err("torchvision's have it elsewhere");
        let sentence = "stride_in is 1x1: expected 3x3, the only place that this model knows";
        assert_eq!(error.to_string(), sentence);

        // What a checkpoint says, unless told otherwise.
        let config = ModelConfig {
            stride_in: StrideIn::Second,
            ..ModelConfig::of(faster_rcnn_c4::RESNET50)
        };
        let checkpoint = weights::seeded(&config, 1);
        let builder = || Detector::builder(checkpoint.clone());
        assert_eq!(builder().config().expect("it is sound"), config);
        let told = builder().stride_in(StrideIn::First).config();
        assert_eq!(told.expect("it is sound").stride_in, StrideIn::First);
    }

    #[test]
    fn proposals_are_as_many_as_there_can_be_and_no_more() {
        let config = ModelConfig::of(PYRAMID_TINY);
        let checkpoint = weights::seeded(&config, 1);
        let most = PYRAMID_TINY.most_proposals();
        assert_eq!(most, 5000);
        let asking = |proposals| Detector::builder(checkpoint.clone()).proposals(proposals);
        for proposals in [0, most + 1, usize::MAX] {
            let error = asking(proposals).build().expect_err("out of range");
            let sentence = format!("proposals is {proposals}: expected 1 to {most}");
            assert_eq!(error.to_string(), sentence);
        }
        for proposals in [1, most] {
            let request = asking(proposals).request(PYRAMID_TINY).expect("in range");
            let transform = PYRAMID_TINY.transform();
            let plan = compile(&config, &transform, &request, [64, 64], &Target::webgpu());
            assert!(plan.is_ok(), "{plan:?}");
        }
    }
}
