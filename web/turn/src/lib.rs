//! Giving the browser its turn.
#![cfg(target_arch = "wasm32")]

use std::cell::Cell;

use js_sys::Promise;
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::JsFuture;

/// Longest that the page is held up on purpose, in milliseconds: half a frame at 60 Hz.
const TURN: f64 = 8.0;

thread_local! {
    /// When the browser last had its turn.
    static LAST: Cell<f64> = const { Cell::new(f64::NEG_INFINITY) };
}

#[wasm_bindgen(module = "/src/turn.js")]
extern "C" {
    /// Resolves in another task.
    #[wasm_bindgen(js_name = nextTask)]
    fn next_task() -> Promise;
}

#[wasm_bindgen]
extern "C" {
    #[wasm_bindgen(js_namespace = performance)]
    fn now() -> f64;
}

/// Let the browser do other work, unless it has just done so.
pub async fn pause() {
    if now() - LAST.get() > TURN {
        JsFuture::from(next_task()).await.unwrap_throw();
        LAST.set(now());
    }
}
