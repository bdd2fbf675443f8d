//! The viewer on a page's canvas.
#![cfg(target_arch = "wasm32")]

use eframe::{WebOptions, WebRunner};
use fpn_viewer::{Start, Viewer};
use wasm_bindgen::prelude::*;
use web_sys::HtmlCanvasElement;

/// A fault of the program is told on the console, where the trace that follows it leads.
#[wasm_bindgen(start)]
fn start() {
    std::panic::set_hook(Box::new(|fault| {
        web_sys::console::error_1(&fault.to_string().into())
    }));
}

/// The viewer at work, until the page is left.
#[wasm_bindgen]
pub struct View(WebRunner);

/// What is shown.
#[wasm_bindgen(getter_with_clone)]
pub struct Shown {
    /// What was found, as JSON: a line of a recording.
    pub report: String,
    /// The picture, a PNG.
    pub picture: Vec<u8>,
}

#[wasm_bindgen]
impl View {
    /// On a canvas; the built-in scene first, or the `source` "camera". `weights` are pyramid_tiny's.
    ///
    /// # Errors
    /// If the canvas cannot be drawn on.
    pub async fn open(
        canvas: HtmlCanvasElement,
        weights: Vec<u8>,
        source: Option<String>,
    ) -> Result<View, JsValue> {
        fpn_viewer::keep_built_in(weights);
        let mut options = WebOptions::default();
        options.wgpu_options.wgpu_setup = fpn_viewer::setup();
        let start = Start {
            source,
            ..Start::default()
        };
        let create = Box::new(|creation: &eframe::CreationContext<'_>| {
            let viewer: Box<dyn eframe::App> = Box::new(Viewer::new(creation, start));
            Ok(viewer)
        });
        let runner = WebRunner::new();
        runner.start(canvas, options, create).await?;
        Ok(Self(runner))
    }

    /// What is shown now; none before anything was looked at.
    ///
    /// # Errors
    /// If it cannot be encoded.
    pub fn shown(&self) -> Result<Option<Shown>, JsError> {
        let viewer = self.0.app_mut::<Viewer>();
        let shown = viewer.and_then(|viewer| viewer.shown()).transpose();
        let shown = shown.map_err(|told| JsError::new(&told))?;
        Ok(shown.map(|(report, picture)| Shown { report, picture }))
    }
}
