//! What goes wrong with a camera.

use crate::format::Format;

/// Why there is no camera, or no picture of it: a sentence that names the camera.
#[derive(Clone, Debug, thiserror::Error)]
pub enum CameraError {
    /// No camera has that id.
    #[error("there is no camera {0}: expected one that is plugged in")]
    NotFound(String),
    /// Something else has that id.
    #[error("{0} is no camera: expected a device that captures video")]
    NotACamera(String),
    /// The operating system, or the user when asked, refused.
    #[error(
        "access to the camera {0} was refused: expected permission to use it{hint}",
        hint = match cfg!(target_os = "linux") {
            true => ", as members of the group `video` have it",
            false => ", as the system's privacy settings give it",
        }
    )]
    Refused(String),
    /// Another program uses it.
    #[error("the camera {0} is busy: another program is using it")]
    Busy(String),
    /// It was there, and is no more.
    #[error("the camera {0} was unplugged")]
    Unplugged(String),
    /// Pictures come in a way that is not read.
    #[error(
        "the camera {camera} gives pictures as {found}: expected one of {}",
        Format::NAMES
    )]
    UnknownFormat {
        /// The camera's name.
        camera: String,
        /// The formats that it has, by their codes.
        found: String,
    },
    /// So many frames that followed each other were cut short, or broken in another way.
    #[error("the camera {camera} gave {count} broken frames in a row: the last one {reason}")]
    Broken {
        /// The camera's name.
        camera: String,
        /// How many.
        count: u32,
        /// What was wrong with the last one.
        reason: String,
    },
    /// It is there, but sends nothing.
    #[error("the camera {camera} has sent no frame for {seconds} seconds")]
    TimedOut {
        /// The camera's name.
        camera: String,
        /// How long was waited.
        seconds: u64,
    },
    /// The operating system, or the camera's driver, reports an error.
    #[error("the camera {camera} failed to {task}: {reason}")]
    Failed {
        /// The camera's name.
        camera: String,
        /// What it was to do.
        task: &'static str,
        /// As the system tells it.
        reason: String,
    },
}
