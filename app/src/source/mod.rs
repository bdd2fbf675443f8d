//! Where pictures come from: the built-in scene, files, videos, cameras.

mod camera;
mod pictures;
mod player;
mod scene;
mod video;

use std::sync::Arc;

use fpn_wgpu::data::Object;
use image::RgbaImage;
use web_time::Instant;

use crate::platform::MayMove;

pub use camera::CameraSource;
pub use pictures::PictureSource;
pub use player::{Control, Player};
pub use scene::{Grip, SceneSource};
pub use video::VideoSource;

/// A picture on its way.
#[derive(Clone, Debug)]
pub struct Frame {
    /// What was taken, drawn or read; opaque.
    pub picture: Arc<RgbaImage>,
    /// Which player it is from: its [`Player::id`].
    pub source: u64,
    /// Its number in its source; the first has 0.
    pub number: u64,
    /// Seconds since the source's first.
    pub time: f64,
    /// When the source gave it.
    pub given: Instant,
    /// The file it is from, or what the source is called.
    pub name: Arc<str>,
    /// What is known to be in it: of the built-in scene alone.
    pub objects: Arc<[Object]>,
}

impl Frame {
    /// What a source gives; the first of it, but for what it changes.
    fn new(picture: Arc<RgbaImage>, name: &str) -> Self {
        Self {
            picture,
            // The player says which it is.
            source: 0,
            number: 0,
            time: 0.0,
            given: Instant::now(),
            name: name.into(),
            objects: [].into(),
        }
    }

    /// Whether both are the same picture, and not only alike.
    pub fn is_same(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.picture, &other.picture)
    }
}

/// How fast a source gives pictures.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Pace {
    /// A picture is made when somebody looks for one, so that it is no older than need be.
    Patient,
    /// As it comes: a picture that nobody took makes room for the next.
    Live,
}

/// What goes wrong with a source, in a sentence.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[error("{0}")]
pub struct SourceError(pub String);

/// Something that gives pictures one after the other, as a task of its own.
pub trait Source: MayMove {
    /// The next picture, waited for; none at the end.
    ///
    /// # Errors
    /// If there is none for another reason. The source may be asked again.
    fn next(
        &mut self,
        control: &Control,
    ) -> impl Future<Output = Result<Option<Frame>, SourceError>>;

    /// How fast it gives pictures.
    fn pace(&self) -> Pace {
        Pace::Patient
    }

    /// How many seconds it lasts, where that is known: then it can be asked for another place.
    fn length(&self) -> Option<f64> {
        None
    }

    /// How many pictures it has, where one is looked at until the next is asked for.
    fn count(&self) -> Option<usize> {
        None
    }
}
