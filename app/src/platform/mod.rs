//! What differs between a desktop and a browser: threads, files, dialogs.

mod native;

pub use native::*;
