//! The public face: a picture in, detections out.

use std::collections::BTreeSet;

use image::{DynamicImage, RgbaImage};

use crate::boxes::clip;
use crate::builder::check_share;
use crate::class_names::ClassNames;
use crate::compile::{CompileError, capture};
use crate::cpu::CpuEngine;
use crate::detections::{Detection, Detections, FeatureMap};
use crate::error::{BuildError, DetectError};
use crate::gpu::{GpuEngine, KeptMaps, Submitted};
use crate::inspection::{self, Inspection, Observed};
use crate::masks::Rle;
use crate::models::{ModelConfig, Request, Rules};
use crate::ops::candidates::Candidate;
use crate::plan::{InstanceKind, MapKind};
use crate::results::{Computed, Reading};
use crate::stage::Stage;
use crate::transform::{Frame, Transform};

/// Largest input of a network, in pixels: beyond it the first activations alone take gigabytes.
const MAX_INPUT_PIXELS: usize = 1 << 25;

/// Largest picture, in pixels of four bytes: no allocation has more bytes.
const MAX_PICTURE_PIXELS: usize = isize::MAX as usize / 4;

/// A model with its weights, ready to look at pictures. `Send` and `Sync`: pictures can be given
/// to it from several threads.
///
/// ```
/// use fpn_wgpu::models::{Architecture, ModelConfig};
/// use fpn_wgpu::{Detector, weights};
///
/// let architecture: Architecture = "retinaface_mobilenet025".parse()?;
/// # let config = ModelConfig::of(architecture);
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
    config: ModelConfig,
    transform: Transform,
    class_names: ClassNames,
    /// Whether it finds objects, or gives maps alone.
    finds: bool,
    /// The kinds of maps that it gives.
    maps: BTreeSet<MapKind>,
    engine: Engine,
}

/// Where a model runs.
#[derive(Debug)]
#[allow(clippy::large_enum_variant)] // one a detector
pub(crate) enum Engine {
    /// Burn's CPU engine.
    Cpu(CpuEngine),
    /// WebGPU.
    Gpu(GpuEngine),
}

/// A picture that is being looked at; see [`Detector::start`].
#[must_use = "detections are lost unless they are waited for"]
pub struct Pending<'a> {
    detector: &'a Detector,
    frame: Frame,
    work: Work,
}

enum Work {
    Done(Computed),
    Sent(Submitted),
}

impl Work {
    fn wait(self) -> Result<Computed, DetectError> {
        match self {
            Self::Done(computed) => Ok(computed),
            Self::Sent(pending) => pending.wait(),
        }
    }

    async fn finish(self) -> Result<Computed, DetectError> {
        match self {
            Self::Done(computed) => Ok(computed),
            Self::Sent(pending) => pending.finish().await,
        }
    }
}

impl Engine {
    /// What the model is asked for.
    fn request(&self) -> &Request {
        match self {
            Self::Cpu(engine) => engine.request(),
            Self::Gpu(engine) => engine.request(),
        }
    }
}

impl Pending<'_> {
    /// Wait for the detections. Not for browsers, where nothing may wait: there use
    /// [`finish`](Self::finish).
    ///
    /// # Errors
    /// If the GPU failed, or the network's values are not finite.
    pub fn wait(self) -> Result<Detections, DetectError> {
        Ok(self.wait_with_maps()?.0)
    }

    /// The detections when they are there.
    ///
    /// # Errors
    /// As [`wait`](Self::wait).
    pub async fn finish(self) -> Result<Detections, DetectError> {
        Ok(self.finish_with_maps().await?.0)
    }

    /// Wait for the detections, and for the maps that were asked for: none unless it was
    /// [`start_with_maps`](Detector::start_with_maps) that began. Not for browsers: there use
    /// [`finish_with_maps`](Self::finish_with_maps).
    ///
    /// # Errors
    /// As [`wait`](Self::wait).
    pub fn wait_with_maps(self) -> Result<(Detections, Vec<FeatureMap>), DetectError> {
        let computed = self.work.wait()?;
        self.detector.with_maps(computed, &self.frame)
    }

    /// Detections and maps when they are there.
    ///
    /// # Errors
    /// As [`wait`](Self::wait).
    pub async fn finish_with_maps(self) -> Result<(Detections, Vec<FeatureMap>), DetectError> {
        Ok(self.finish_timed().await?.0)
    }

    /// Detections and maps when they are there; and the seconds that each part took by the GPU's clock, in the order of
    /// the work. Of parts nothing is told on the CPU engine, on a GPU without a clock, and by a detector that was not
    /// built [to tell it](crate::DetectorBuilder::clocked).
    ///
    /// # Errors
    /// As [`wait`](Self::wait).
    pub async fn finish_timed(self) -> Result<(WithMaps, Vec<(Stage, f64)>), DetectError> {
        let mut computed = self.work.finish().await?;
        let parts = std::mem::take(&mut computed.parts);
        let found = self.detector.with_maps(computed, &self.frame)?;
        Ok((found, parts))
    }
}

/// Detections, and the maps that were asked for.
type WithMaps = (Detections, Vec<FeatureMap>);

impl Detector {
    pub(crate) fn new(
        config: ModelConfig,
        transform: Transform,
        class_names: ClassNames,
        request: &Request,
        engine: Engine,
    ) -> Self {
        Self {
            config,
            transform,
            class_names,
            finds: request.selection.is_some(),
            maps: request.maps.clone(),
            engine,
        }
    }

    /// What the model was built from.
    pub fn config(&self) -> &ModelConfig {
        &self.config
    }

    /// A name for every label, background first.
    pub fn class_names(&self) -> &[String] {
        self.class_names.names()
    }

    /// Where the model runs: `cpu`, or the adapter's name.
    pub fn device_name(&self) -> &str {
        match &self.engine {
            Engine::Cpu(_) => "cpu",
            Engine::Gpu(engine) => &engine.gpu().info().name,
        }
    }

    /// The GPU engine, where the model runs on one.
    pub fn gpu_engine(&self) -> Option<&GpuEngine> {
        match &self.engine {
            Engine::Cpu(_) => None,
            Engine::Gpu(engine) => Some(engine),
        }
    }

    /// Let the weaker of two detections of a class fall where they overlap by more than this (intersection over
    /// union, 0 to 1), from the next picture on: as if it had been built with that
    /// [`nms_threshold`](crate::DetectorBuilder::nms_threshold), but in some milliseconds for each size of pictures that was
    /// seen. Nothing changes of a model
    /// that finds no objects.
    ///
    /// # Errors
    /// If it is out of range, or the GPU failed.
    pub fn set_nms_threshold(&mut self, threshold: f32) -> Result<(), BuildError> {
        check_share("nms_threshold", threshold)?;
        match &mut self.engine {
            Engine::Cpu(engine) => engine.set_nms_threshold(threshold),
            Engine::Gpu(engine) => engine.set_nms_threshold(threshold)?,
        }
        Ok(())
    }

    /// The detections in a picture. Grey is repeated into red, green and blue, 16 bits are rounded
    /// to 8, and alpha is dropped, not blended.
    ///
    /// # Errors
    /// If the picture has no pixels or too many, the GPU failed, or the network's values are not
    /// finite.
    pub fn detect(&self, picture: &DynamicImage) -> Result<Detections, DetectError> {
        self.start(&picture.to_rgba8())?.wait()
    }

    /// As [`detect`](Self::detect), for browsers, where a long task would hold up the page: the first
    /// picture of a size is prepared for as by [`prepare`](Self::prepare).
    ///
    /// # Errors
    /// As [`detect`](Self::detect).
    pub async fn detect_async(
        &self,
        picture: &DynamicImage,
        pause: impl AsyncFn(),
    ) -> Result<Detections, DetectError> {
        let (width, height) = (picture.width() as usize, picture.height() as usize);
        self.prepare(width, height, pause).await?;
        self.start(&picture.to_rgba8())?.finish().await
    }

    /// Make ready for pictures of `width × height` pixels, so that the first is as fast as those
    /// after it. On a GPU that is done in slices of some milliseconds, and `pause` is awaited between
    /// them.
    ///
    /// # Errors
    /// If such a picture has no pixels or too many, or the GPU failed.
    pub async fn prepare(
        &self,
        width: usize,
        height: usize,
        pause: impl AsyncFn(),
    ) -> Result<(), DetectError> {
        let frame = self.frame(width, height)?;
        match &self.engine {
            Engine::Cpu(_) => Ok(()),
            Engine::Gpu(engine) => engine.prepare(&frame, &pause).await,
        }
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
        let expected = 4 * pixels(width, height)?;
        let found = bytes.len();
        let picture = match (u32::try_from(width), u32::try_from(height)) {
            (Ok(width), Ok(height)) if expected == found => {
                RgbaImage::from_raw(width, height, bytes)
            }
            _ => None,
        };
        let picture = picture.ok_or(DetectError::Bytes {
            width,
            height,
            expected,
            found,
        })?;
        self.start(&picture)?.wait()
    }

    /// Begin to look at a picture. A GPU computes while the caller prepares the next: two pictures
    /// can be on their way. The CPU engine is done when this returns.
    ///
    /// # Errors
    /// As [`detect`](Self::detect).
    pub fn start(&self, picture: &RgbaImage) -> Result<Pending<'_>, DetectError> {
        self.check_finds()?;
        self.begin(picture, &Reading::Detections)
    }

    /// As [`start`](Self::start), and ask for the maps that the detector was built to give, which
    /// [`wait_with_maps`](Pending::wait_with_maps) hands over. What a live view shows are small ones: see
    /// [`map_kinds`](crate::DetectorBuilder::map_kinds).
    ///
    /// # Errors
    /// As [`detect`](Self::detect).
    pub fn start_with_maps(&self, picture: &RgbaImage) -> Result<Pending<'_>, DetectError> {
        self.check_finds()?;
        self.begin(picture, &Reading::Maps(self.maps.clone()))
    }

    /// As [`start`](Self::start), and keep the maps that the detector was built to give on its GPU, for a program that
    /// draws there: nothing of them is read back. None on the CPU engine, which has them in memory:
    /// [`start_with_maps`](Self::start_with_maps).
    ///
    /// # Errors
    /// As [`detect`](Self::detect).
    pub fn start_keeping_maps(
        &self,
        picture: &RgbaImage,
    ) -> Result<(Pending<'_>, Option<KeptMaps>), DetectError> {
        let Engine::Gpu(engine) = &self.engine else {
            return Ok((self.start(picture)?, None));
        };
        self.check_finds()?;
        let frame = self.frame_of(picture)?;
        let (submitted, kept) = engine.start_keeping(picture, &self.maps)?;
        let pending = Pending {
            detector: self,
            frame,
            work: Work::Sent(submitted),
        };
        Ok((pending, kept))
    }

    fn begin(&self, picture: &RgbaImage, reading: &Reading) -> Result<Pending<'_>, DetectError> {
        let frame = self.frame_of(picture)?;
        let work = match &self.engine {
            Engine::Cpu(engine) => Work::Done(engine.compute(picture, &frame, reading)?),
            Engine::Gpu(engine) => Work::Sent(engine.start(picture, reading)?),
        };
        Ok(Pending {
            detector: self,
            frame,
            work,
        })
    }

    /// As [`detect`](Self::detect), with the maps that the detector was built to give: by default the
    /// pyramid's levels, finest first.
    ///
    /// # Errors
    /// As [`detect`](Self::detect).
    pub fn detect_with_maps(
        &self,
        picture: &DynamicImage,
    ) -> Result<(Detections, Vec<FeatureMap>), DetectError> {
        self.start_with_maps(&picture.to_rgba8())?.wait_with_maps()
    }

    /// The maps that the detector was built to give, by default the pyramid's levels, finest first.
    /// Models without a detector give maps alone.
    ///
    /// # Errors
    /// As [`detect`](Self::detect).
    pub fn maps(&self, picture: &DynamicImage) -> Result<Vec<FeatureMap>, DetectError> {
        let pending = self.begin(&picture.to_rgba8(), &Reading::Maps(self.maps.clone()))?;
        Ok(pending.wait_with_maps()?.1)
    }

    /// As [`maps`](Self::maps), for browsers: the first picture of a size is prepared for as by
    /// [`prepare`](Self::prepare).
    ///
    /// # Errors
    /// As [`maps`](Self::maps).
    pub async fn maps_async(
        &self,
        picture: &DynamicImage,
        pause: impl AsyncFn(),
    ) -> Result<Vec<FeatureMap>, DetectError> {
        let (width, height) = (picture.width() as usize, picture.height() as usize);
        self.prepare(width, height, pause).await?;
        let pending = self.begin(&picture.to_rgba8(), &Reading::Maps(self.maps.clone()))?;
        Ok(pending.finish_with_maps().await?.1)
    }

    /// Look at a picture and tell how its detections, which are those of [`detect`](Self::detect), came to be. Takes
    /// longer than that: all maps are read back, and what was decided is decided once more on the host.
    ///
    /// # Errors
    /// As [`detect`](Self::detect), and of a detector that was not built
    /// [to be inspected](crate::DetectorBuilder::inspectable).
    pub fn inspect(&self, picture: &DynamicImage) -> Result<Inspection, DetectError> {
        let Pending { frame, work, .. } = self.begin_inspection(picture)?;
        self.inspection(work.wait()?, &frame)
    }

    /// As [`inspect`](Self::inspect), for browsers: the first picture of a size is prepared for as by
    /// [`prepare`](Self::prepare).
    ///
    /// # Errors
    /// As [`inspect`](Self::inspect).
    pub async fn inspect_async(
        &self,
        picture: &DynamicImage,
        pause: impl AsyncFn(),
    ) -> Result<Inspection, DetectError> {
        let (width, height) = (picture.width() as usize, picture.height() as usize);
        self.prepare(width, height, &pause).await?;
        let Pending { frame, work, .. } = self.begin_inspection(picture)?;
        let computed = work.finish().await?;
        pause().await;
        self.inspection(computed, &frame)
    }

    fn begin_inspection(&self, picture: &DynamicImage) -> Result<Pending<'_>, DetectError> {
        self.check_finds()?;
        if !self.engine.request().rows {
            return Err(DetectError::NotInspectable {
                model: self.config.architecture.name(),
                reason: "it was built without `inspectable`",
            });
        }
        self.begin(&picture.to_rgba8(), &Reading::Everything)
    }

    fn inspection(&self, computed: Computed, frame: &Frame) -> Result<Inspection, DetectError> {
        let detections = self.detections(&computed, frame)?;
        let captured = capture(&self.config, frame.padded, self.engine.request());
        let mut reported = 0..;
        let found = computed.detections.iter();
        let reported = found.map(|found| match self.is_reported(found) {
            true => reported.next(),
            false => None,
        });
        let observed = Observed {
            config: &self.config,
            class_names: &self.class_names,
            captured: &captured.map_err(CompileError::from)?,
            reported: reported.collect(),
            computed: &computed,
            frame,
            extent: self.extent(frame),
        };
        let told = inspection::tell(&observed)?;
        let maps = computed.maps.into_iter();
        let maps = maps.map(|map| FeatureMap::new(map, frame)).collect();
        Ok(Inspection::new(detections, maps, told))
    }

    /// Detections and maps of what was computed.
    fn with_maps(
        &self,
        computed: Computed,
        frame: &Frame,
    ) -> Result<(Detections, Vec<FeatureMap>), DetectError> {
        let detections = self.detections(&computed, frame)?;
        let maps = computed.maps.into_iter();
        let maps = maps.map(|map| FeatureMap::new(map, frame)).collect();
        Ok((detections, maps))
    }

    /// # Errors
    /// If it was built to give maps alone.
    fn check_finds(&self) -> Result<(), DetectError> {
        match self.finds {
            true => Ok(()),
            false => Err(DetectError::NoDetections {
                model: self.config.architecture.name(),
            }),
        }
    }

    fn frame_of(&self, picture: &RgbaImage) -> Result<Frame, DetectError> {
        self.frame(picture.width() as usize, picture.height() as usize)
    }

    /// The sizes that a picture of `width × height` pixels goes through.
    ///
    /// # Errors
    /// If it has no pixels or too many, or is resized too far.
    pub fn frame(&self, width: usize, height: usize) -> Result<Frame, DetectError> {
        if pixels(width, height)? == 0 {
            return Err(DetectError::NoPixels { width, height });
        }
        let frame = self.transform.frame([height, width]);
        if let Some([from, to]) = self.transform.out_of_reach(&frame) {
            return Err(DetectError::ResizedTooFar { from, to });
        }
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

    fn detections(&self, computed: &Computed, frame: &Frame) -> Result<Detections, DetectError> {
        let is_finite = |found: &Candidate| {
            let values = found.bbox.iter().chain(&found.landmarks);
            found.score.is_finite() && values.copied().all(f32::is_finite)
        };
        if !computed.detections.iter().all(is_finite) {
            return Err(DetectError::NotFinite);
        }
        let extent = self.extent(frame);
        let found = computed.detections.iter().enumerate();
        let reported = found.filter(|(_, found)| self.is_reported(found));
        let items = reported.map(|(index, found)| {
            let (mask, keypoints) = instance(computed, index, frame)?;
            Ok(Detection {
                bbox: extent.map_or(found.bbox, |extent| clip(found.bbox, extent)),
                label: self.class_names.label(found.label as usize),
                name: self.class_names.name(found.label as usize).to_owned(),
                score: found.score,
                level: found.level as usize,
                landmarks: match found.landmarks.as_chunks().0 {
                    [] => None,
                    points => Some(points.to_vec()),
                },
                mask,
                keypoints,
            })
        });
        let items: Result<_, DetectError> = items.collect();
        Ok(Detections {
            width: frame.original[1],
            height: frame.original[0],
            items: items?,
        })
    }

    /// Whether what an engine found is a detection. detectron2 keeps boxes of any size until they are in the
    /// picture's pixels. Of no other are there any without area, but for C4's, whose edges are inclusive.
    fn is_reported(&self, found: &Candidate) -> bool {
        let rules = self.config.architecture.specification().rules;
        let [x1, y1, x2, y2] = found.bbox;
        rules != Some(Rules::Detectron2) || (x2 > x1 && y2 > y1)
    }

    /// Height and width of what an engine's boxes are to be cut to yet: those that were cut to all of the
    /// network's input, of which the picture may be a part.
    fn extent(&self, frame: &Frame) -> Option<[f32; 2]> {
        let is_warp = self.transform.resizer.is_warp();
        is_warp.then(|| frame.original.map(|side| side as f32))
    }
}

/// What was found in a detection: its pixels, or its keypoints, `[x, y, score]`, both in the picture's.
type Instance = (Option<Rle>, Option<Vec<[f32; 3]>>);

/// What was found in the detection of that index.
///
/// # Errors
/// If it is not finite.
fn instance(computed: &Computed, index: usize, frame: &Frame) -> Result<Instance, DetectError> {
    let Some((kind, rows)) = &computed.instances else {
        return Ok((None, None));
    };
    let width = rows.shape[1];
    let row = &rows.values[index * width..][..width];
    if !row.iter().all(|value| value.is_finite()) {
        return Err(DetectError::NotFinite);
    }
    Ok(match kind {
        InstanceKind::Masks => {
            let bbox = computed.detections[index].bbox;
            let mask = Rle::paste(row, width.isqrt(), bbox, frame.original);
            // Of what can go wrong there is none: the box is finite and the picture has pixels.
            (Some(mask.map_err(|_| DetectError::NotFinite)?), None)
        }
        InstanceKind::Keypoints => {
            let [down, across] = frame.ratio;
            let points = row.as_chunks().0.iter();
            let restored = points.map(|[x, y, score]| [x * across, y * down, *score]);
            (None, Some(restored.collect()))
        }
    })
}

/// Pixels of a picture, whose bytes can be counted too.
///
/// # Errors
/// If memory cannot hold as many.
fn pixels(width: usize, height: usize) -> Result<usize, DetectError> {
    let pixels = width.checked_mul(height);
    pixels
        .filter(|pixels| *pixels <= MAX_PICTURE_PIXELS)
        .ok_or(DetectError::TooManyPixels {
            width,
            height,
            limit: MAX_PICTURE_PIXELS,
        })
}
