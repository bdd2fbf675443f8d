//! A feature-pyramid detector at work, in a window.
//!
//! A `source` gives pictures, the `engine` looks at them beside the window, and `panels` draw what it saw and tell what
//! the user wants, as `action`s. Threads, files and dialogs are the business of `platform` alone.

mod action;
mod anchors;
mod engine;
mod file;
mod history;
mod measure;
mod paint;
mod panels;
mod platform;
#[cfg(not(target_arch = "wasm32"))]
mod program;
mod recorder;
mod source;
mod state;
mod viewer;
mod wake;
mod window;

pub use action::Action;
pub use engine::{Choice, DeviceChoice, InputSize, ModelCard, Seen, WeightsChoice};
pub use file::File;
#[cfg(target_arch = "wasm32")]
pub use platform::keep_built_in;
#[cfg(not(target_arch = "wasm32"))]
pub use program::run;
pub use state::{Message, State};
pub use viewer::{Start, Viewer};
pub use window::setup;
