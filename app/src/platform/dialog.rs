//! What the user is asked for.

use std::path::PathBuf;

use crate::action::Action;

/// What a dialog is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dialog {
    /// A picture or a video.
    Picture,
    /// A folder of pictures.
    Folder,
    /// A checkpoint.
    Checkpoint,
    /// A picture with boxes, to be written.
    SaveAnnotated,
    /// A picture, to be written.
    SavePicture,
    /// Lines of JSON, to be written.
    RecordJson,
    /// A video, to be written.
    RecordVideo,
}

/// What a file that is to be written may be called, and what is to be done when it has a name.
type Written = (&'static str, fn(PathBuf) -> Action);

impl Dialog {
    /// Of a file that is to be written.
    pub fn writes(self) -> Option<Written> {
        let annotated = |path| Action::Save {
            path,
            annotated: true,
        };
        let plain = |path| Action::Save {
            path,
            annotated: false,
        };
        match self {
            Self::Picture | Self::Folder | Self::Checkpoint => None,
            Self::SaveAnnotated => Some(("found.png", annotated)),
            Self::SavePicture => Some(("picture.png", plain)),
            Self::RecordJson => Some(("found.jsonl", Action::Record)),
            Self::RecordVideo => Some(("found.y4m", Action::Record)),
        }
    }
}

/// Endings of files that hold checkpoints.
pub const CHECKPOINTS: [&str; 5] = ["pth", "pt", "safetensors", "ckpt", "tar"];
