//! The weights that come with this crate.

use super::Checkpoint;

/// `pyramid_tiny`, trained on generated scenes to find everyday shapes; `pyramid_tiny.md` beside the
/// file tells how, and how well it does.
pub fn builtin() -> Checkpoint {
    let file = include_bytes!("pyramid_tiny.safetensors");
    Checkpoint::from_safetensors(file.to_vec()).expect("the file is as this crate wrote it")
}
