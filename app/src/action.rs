//! What the user wants, as panels tell it; the viewer does it.

use std::path::PathBuf;
use std::sync::Arc;

use eframe::egui::{ColorImage, DroppedFileHandle};

use crate::engine::{Choice, Seen};
use crate::file::File;
use crate::platform::{CameraInfo, Dialog};
use crate::source::Grip;

/// One thing that the user wants.
pub enum Action {
    /// Look at the built-in scene.
    Scene,
    /// Look through a camera, by its id; in a size of those that it offers, width and height in pixels.
    Camera(String, Option<[u32; 2]>),
    /// Mirror a camera's pictures, or not.
    Mirror(bool),
    /// Look which cameras there are.
    ListCameras,
    /// Those that there are.
    Cameras(Vec<CameraInfo>),
    /// Look at a file: a picture, a folder, a video, or a checkpoint, by its content.
    Open(File),
    /// Look at a file that was dropped on the window.
    Dropped(DroppedFileHandle),
    /// What was to be looked at cannot be: why.
    Refuse(String),
    /// Ask for a file first.
    Ask(Dialog),
    /// Look at a picture in memory.
    Paste(Arc<ColorImage>),
    /// Let pictures follow each other, or not.
    Play(bool),
    /// One picture on, or back.
    Step(i64),
    /// A place in a video, in seconds.
    Seek(f64),
    /// One of the last pictures.
    Show(Arc<Seen>),
    /// Hold shapes of the scene.
    Hold(Grip),
    /// Make another detector.
    Load(Choice),
    /// Do not go on making it.
    Cancel,
    /// Another overlap above which the weaker of two boxes falls.
    Nms(f32),
    /// Compare with the picture that is shown from now on; or with none.
    Pin(bool),
    /// Copy what was found, as JSON.
    CopyJson,
    /// Copy a text.
    Copy(String),
    /// Save the picture.
    Save {
        /// Where; its ending tells the format.
        path: PathBuf,
        /// With its boxes, or as it is.
        annotated: bool,
    },
    /// Write what is found in each picture from now on: lines of JSON, or an annotated video; by the file's ending.
    Record(PathBuf),
    /// No longer.
    StopRecording,
}
