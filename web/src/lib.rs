//! Detection in a browser, on WebGPU: what the page in `page/` calls.
#![cfg(target_arch = "wasm32")]

mod detector;
mod picture;
mod weights;

use wasm_bindgen::prelude::*;

/// A fault of the program is told on the console, where the trace that follows it leads.
#[wasm_bindgen(start)]
fn start() {
    std::panic::set_hook(Box::new(|fault| {
        web_sys::console::error_1(&fault.to_string().into())
    }));
}

/// The names of the models.
#[wasm_bindgen]
pub fn models() -> Vec<String> {
    let names = fpn_wgpu::models::Architecture::names();
    names.into_iter().map(str::to_owned).collect()
}
