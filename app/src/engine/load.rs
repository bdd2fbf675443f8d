//! Making detectors.

use std::cell::Cell;
use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;

use fpn_wgpu::Checkpoint;
use fpn_wgpu::gpu::{Gpu, adapters};
use fpn_wgpu::models::faster_rcnn::PYRAMID_TINY;
use fpn_wgpu::models::{Architecture, Selection};
use fpn_wgpu::plan::MapKind;
use fpn_wgpu::{BuildError, Detector, DetectorBuilder};
use web_time::Instant;

use super::{Choice, DeviceChoice, InputSize, ModelCard, WeightsChoice};
use crate::platform;

/// Detections are told down to this score, so that a threshold in the window acts at once.
const LOWEST_SCORE: f32 = 0.05;

/// The adapters of this machine, best first; whether each computes on the CPU.
pub async fn adapters() -> Vec<(String, bool)> {
    let adapters = adapters::adapters().await.into_iter();
    let infos = adapters.map(|adapter| adapter.get_info());
    infos
        .map(|info| (info.name.clone(), adapters::is_software(&info)))
        .collect()
}

/// What detectors that follow each other have in common.
#[derive(Default)]
pub struct Loader {
    /// The device of the last one.
    pub gpu: Option<(DeviceChoice, Arc<Gpu>)>,
}

impl Loader {
    /// A detector, or why there is none; nothing where it is no longer wanted.
    pub async fn load(
        &mut self,
        choice: &Choice,
        window: Option<&Arc<Gpu>>,
        is_wanted: &impl Fn() -> bool,
    ) -> Option<Result<(Detector, ModelCard), String>> {
        // Whoever makes it pauses often; that is when it can be given up.
        let began = Instant::now();
        let pause = async || {
            platform::pause().await;
            yield_once().await;
        };
        let mut made = pin!(self.make(choice, window, pause));
        let made = poll_fn(|context| match is_wanted() {
            false => Poll::Ready(None),
            true => made.as_mut().poll(context).map(Some),
        });
        let made = made.await?;
        Some(made.map(|detector| {
            let card = card(&detector, choice, began);
            (detector, card)
        }))
    }

    async fn make(
        &mut self,
        choice: &Choice,
        window: Option<&Arc<Gpu>>,
        pause: impl AsyncFn(),
    ) -> Result<Detector, String> {
        let (builder, selection) = self.builder(choice, window, &pause).await?;
        let name = choice.weights.name();
        let selection = selection.map_err(|architecture| {
            format!("{name} is for {architecture}, which gives feature maps and finds no objects")
        })?;
        let builder = builder
            .score_threshold(selection.score_threshold.min(LOWEST_SCORE))
            .map_kinds([MapKind::Strength, MapKind::Objectness])
            .inspectable()
            .clocked();
        let built = builder.build_async(pause).await;
        built.map_err(|error| misbuilt(error, &name))
    }

    /// The same model for the maps that its levels would be if nothing were handed down.
    ///
    /// # Errors
    /// As it was when the detector was made, in a sentence.
    pub async fn make_alone(
        &mut self,
        choice: &Choice,
        window: Option<&Arc<Gpu>>,
    ) -> Result<Detector, String> {
        let pause = platform::pause;
        let (builder, _) = self.builder(choice, window, &pause).await?;
        let builder = builder.map_kinds([MapKind::Alone]).maps_alone();
        let built = builder.build_async(pause).await;
        built.map_err(|error| misbuilt(error, &choice.weights.name()))
    }

    /// What both are made of, and what the model selects by; the model itself where it finds nothing.
    async fn builder(
        &mut self,
        choice: &Choice,
        window: Option<&Arc<Gpu>>,
        pause: &impl AsyncFn(),
    ) -> Result<(DetectorBuilder, Result<Selection, Architecture>), String> {
        let name = choice.weights.name();
        pause().await;
        let checkpoint = open(choice)?;
        let gpu = self.gpu(&choice.device, window).await?;
        let mut builder = Detector::builder(checkpoint)
            .gpu(gpu)
            .precision(choice.precision);
        if let Some(architecture) = choice.architecture {
            builder = builder.architecture(architecture);
        }
        let config = builder.config().map_err(|error| misbuilt(error, &name))?;
        let architecture = config.architecture;
        if let InputSize::Short(side) = choice.size {
            builder = match architecture.transform().resizer.is_warp() {
                true => builder.min_size(side),
                false => builder.min_size(side).max_size(2 * side),
            };
        }
        Ok((builder, architecture.selection().ok_or(architecture)))
    }

    /// The device that is meant, where the window's is this one, if a detector can share it.
    async fn gpu(
        &mut self,
        device: &DeviceChoice,
        window: Option<&Arc<Gpu>>,
    ) -> Result<Option<Arc<Gpu>>, String> {
        if let Some((known, gpu)) = &self.gpu
            && known == device
            && gpu.fault().is_none()
        {
            return Ok(Some(gpu.clone()));
        }
        self.gpu = None;
        let window = window.filter(|gpu| gpu.fault().is_none());
        let adapter = match device {
            DeviceChoice::Cpu => return Ok(None),
            DeviceChoice::Window => {
                let told = "the window's adapter cannot run a detector: choose another, or the CPU";
                return window.cloned().map(Some).ok_or_else(|| told.to_owned());
            }
            DeviceChoice::Auto if window.is_some_and(|gpu| platform::can_share(gpu)) => {
                return Ok(window.cloned());
            }
            DeviceChoice::Auto => match adapters::best_gpu().await {
                None => return Ok(None),
                Some(adapter) => adapter,
            },
            DeviceChoice::Gpu => {
                let adapter = adapters::best().await;
                adapter.map_err(|error| error.to_string())?
            }
            DeviceChoice::Adapter(name) => {
                let adapter = adapters::by_name(name).await;
                adapter.map_err(|error| error.to_string())?
            }
        };
        let gpu = Gpu::open(&adapter)
            .await
            .map_err(|error| error.to_string())?;
        self.gpu = Some((device.clone(), gpu.clone()));
        Ok(Some(gpu))
    }
}

fn open(choice: &Choice) -> Result<Checkpoint, String> {
    match &choice.weights {
        WeightsChoice::BuiltIn => {
            let architecture = choice.architecture.unwrap_or(PYRAMID_TINY);
            platform::built_in(architecture).ok_or_else(|| {
                format!("{architecture} has no weights of its own, as {PYRAMID_TINY} has: open a checkpoint")
            })
        }
        WeightsChoice::File(file) => {
            let opened = file.checkpoint();
            opened.map_err(|error| format!("{} {error}", file.name()))
        }
        WeightsChoice::Published(known) => platform::fetched(known),
    }
}

fn misbuilt(error: BuildError, name: &str) -> String {
    let listed = |models: &[Architecture]| {
        let names: Vec<&str> = models.iter().map(|model| model.name()).collect();
        names.join(", ")
    };
    match error {
        BuildError::NoArchitecture { fits } => format!(
            "{name} does not say which model it is for: choose one of {}",
            listed(&fits)
        ),
        BuildError::FitsOthers { error, fits } => {
            format!("{name} {error}; it fits {}", listed(&fits))
        }
        BuildError::OtherArchitecture { asked, found } => {
            format!("{name} says it is for {found}, not for {asked}")
        }
        BuildError::Weights(error) => format!("{name} {error}"),
        other => other.to_string(),
    }
}

fn card(detector: &Detector, choice: &Choice, began: Instant) -> ModelCard {
    let config = *detector.config();
    let selection = config.architecture.selection();
    ModelCard {
        config,
        choice: choice.clone(),
        class_names: detector.class_names().to_vec(),
        device: detector.device_name().to_owned(),
        loaded_in: began.elapsed(),
        usual_score: selection.map_or(0.5, |selection| selection.score_threshold),
        usual_nms: selection.map_or(0.5, |selection| selection.nms_threshold),
    }
}

/// Let whoever polls see to something else.
async fn yield_once() {
    let yielded = Cell::new(false);
    poll_fn(|context| {
        if yielded.replace(true) {
            return Poll::Ready(());
        }
        context.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}
