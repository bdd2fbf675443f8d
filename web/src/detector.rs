//! The detector as the page sees it.

use std::sync::Arc;

use fpn_web_turn::pause;
use fpn_wgpu::gpu::{Gpu, adapters};
use fpn_wgpu::models::{Architecture, ModelConfig};
use fpn_wgpu::weights::seeded;
use fpn_wgpu::{BuildError, DetectError, Detector as Inner, Report};
use image::RgbaImage;
use wasm_bindgen::Clamped;
use wasm_bindgen::prelude::*;
use web_sys::ImageBitmap;

use crate::picture;
use crate::weights::Weights;

/// What a detector is built with; what is left out is the model's default, as for `fpn detect`.
#[wasm_bindgen(getter_with_clone)]
#[derive(Default)]
pub struct Options {
    /// Name of the model; needed unless the weights say it.
    pub model: Option<String>,
    /// Seed of the weights where there is no file.
    pub seed: Option<u32>,
    #[wasm_bindgen(js_name = minSize)]
    pub min_size: Option<usize>,
    #[wasm_bindgen(js_name = maxSize)]
    pub max_size: Option<usize>,
    pub score: Option<f32>,
    pub max: Option<usize>,
    pub proposals: Option<usize>,
    #[wasm_bindgen(js_name = bnEps)]
    pub bn_eps: Option<f64>,
}

#[wasm_bindgen]
impl Options {
    #[wasm_bindgen(constructor)]
    pub fn new() -> Self {
        Self::default()
    }
}

/// A picture's pixels.
#[wasm_bindgen]
pub struct Picture(RgbaImage);

#[wasm_bindgen]
impl Picture {
    /// A generated one, of blobs of colour.
    pub fn generated(seed: u32, width: u32, height: u32) -> Self {
        Self(fpn_wgpu::weights::picture(seed.into(), width, height))
    }

    #[wasm_bindgen(getter)]
    pub fn width(&self) -> u32 {
        self.0.width()
    }

    #[wasm_bindgen(getter)]
    pub fn height(&self) -> u32 {
        self.0.height()
    }

    /// Four bytes a pixel: red, green, blue, alpha.
    pub fn rgba(&self) -> Clamped<Vec<u8>> {
        Clamped(self.0.as_raw().clone())
    }
}

/// A model with its weights on the GPU.
#[wasm_bindgen]
pub struct Detector {
    gpu: Arc<Gpu>,
    inner: Inner,
}

#[wasm_bindgen]
impl Detector {
    /// Open the GPU, and load the model.
    ///
    /// # Errors
    /// If there is no GPU, the weights are broken or another model's, or an option is wrong.
    pub async fn open(weights: Option<Weights>, options: Options) -> Result<Detector, JsError> {
        let architecture = options.model.map(|name| name.parse::<Architecture>());
        let architecture = architecture.transpose()?;
        let checkpoint = match (weights, architecture) {
            (Some(weights), _) => weights.checkpoint()?,
            (None, Some(architecture)) => {
                let seed = options.seed.unwrap_or(1);
                seeded(&ModelConfig::of(architecture), seed.into())
            }
            (None, None) => return Err(JsError::new("neither weights nor a model were named")),
        };
        pause().await;
        let adapter = adapters::best().await.map_err(|_| {
            JsError::new(
                "the browser knows WebGPU, but finds no GPU for it: is hardware acceleration \
                 switched on in its settings, and the graphics driver up to date?",
            )
        })?;
        let gpu = Gpu::open(&adapter).await?;
        let mut builder = Inner::builder(checkpoint).gpu(gpu.clone());
        if let Some(architecture) = architecture {
            builder = builder.architecture(architecture);
        }
        if let Some(pixels) = options.min_size {
            builder = builder.min_size(pixels);
        }
        if let Some(pixels) = options.max_size {
            builder = builder.max_size(pixels);
        }
        if let Some(score) = options.score {
            builder = builder.score_threshold(score);
        }
        if let Some(max) = options.max {
            builder = builder.limit(max);
        }
        if let Some(proposals) = options.proposals {
            builder = builder.proposals(proposals);
        }
        if let Some(eps) = options.bn_eps {
            builder = builder.bn_eps(eps);
        }
        let inner = builder.build_async(pause).await.map_err(refused)?;
        Ok(Self { gpu, inner })
    }

    /// Name of the model.
    #[wasm_bindgen(getter)]
    pub fn model(&self) -> String {
        self.inner.config().architecture.to_string()
    }

    /// Name of the GPU.
    #[wasm_bindgen(getter)]
    pub fn device(&self) -> String {
        self.inner.device_name().to_owned()
    }

    /// The pixels of a picture that the browser has decoded.
    ///
    /// # Errors
    /// If it is larger than a texture may be.
    pub async fn picture(&self, bitmap: ImageBitmap) -> Result<Picture, JsError> {
        picture::read(&self.gpu, bitmap).await.map(Picture)
    }

    /// Make ready for pictures of this size.
    ///
    /// # Errors
    /// If they would be too large.
    pub async fn prepare(&self, width: usize, height: usize) -> Result<(), JsError> {
        let ready = self.inner.prepare(width, height, pause).await;
        ready.map_err(too_large)
    }

    /// What is in the picture, as the JSON of `fpn detect --json`; `file` is where it came from.
    ///
    /// # Errors
    /// If the picture is too large, or the GPU fails.
    pub async fn detect(&self, picture: &Picture, file: String) -> Result<String, JsError> {
        let sent = self.inner.start(&picture.0).map_err(too_large)?;
        let found = sent.finish().await?;
        let report = Report::new(&self.inner, [(file, &found)]);
        Ok(serde_json::to_string_pretty(&report)?)
    }
}

/// Why there is no detector, with the option's name in [`Options`].
fn refused(error: BuildError) -> JsError {
    match &error {
        BuildError::Option {
            option,
            expected,
            found,
        } => {
            let option = match *option {
                "min_size" => "minSize",
                "max_size" => "maxSize",
                "score_threshold" => "score",
                "limit" => "max",
                "bn_eps" => "bnEps",
                other => other,
            };
            JsError::new(&format!("{option} is {found}: expected {expected}"))
        }
        _ => error.into(),
    }
}

/// Why a picture cannot be looked at, with the option's name in [`Options`].
fn too_large(error: DetectError) -> JsError {
    JsError::new(&error.to_string().replace("max_size", "maxSize"))
}
