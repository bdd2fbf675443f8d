//! A webcam.

use std::sync::Arc;

use fpn_camera::Camera;
use image::RgbaImage;
use image::imageops::flip_horizontal_in_place;
use web_time::Instant;

use super::{Control, Frame, Pace, Source, SourceError};

/// A camera as a source.
pub struct CameraSource {
    id: String,
    name: String,
    camera: Option<Camera>,
    size: Option<[u32; 2]>,
    is_mirrored: bool,
    began: Option<Instant>,
    number: u64,
}

impl CameraSource {
    /// The camera with that id, opened when the first picture is asked for. Mirrored, it shows its user as a mirror
    /// would.
    pub fn new(id: &str, name: &str, size: Option<[u32; 2]>, is_mirrored: bool) -> Self {
        Self {
            id: id.to_owned(),
            name: name.to_owned(),
            camera: None,
            size,
            is_mirrored,
            began: None,
            number: 0,
        }
    }

    fn taken(&mut self) -> Result<RgbaImage, SourceError> {
        let told = |error: fpn_camera::CameraError| SourceError(error.to_string());
        let mut camera = match self.camera.take() {
            Some(camera) => camera,
            None => Camera::open(&self.id, self.size).map_err(told)?,
        };
        let mut picture = RgbaImage::default();
        camera.next(&mut picture).map_err(told)?;
        self.camera = Some(camera);
        Ok(picture)
    }
}

impl Source for CameraSource {
    fn next(&mut self, _control: &Control) -> Result<Option<Frame>, SourceError> {
        // After an error it is opened anew, when somebody asks for it.
        let mut picture = self.taken()?;
        if self.is_mirrored {
            flip_horizontal_in_place(&mut picture);
        }
        let now = Instant::now();
        let began = *self.began.get_or_insert(now);
        let number = self.number;
        self.number += 1;
        Ok(Some(Frame {
            picture: Arc::new(picture),
            number,
            time: now.duration_since(began).as_secs_f64(),
            given: now,
            name: self.name.as_str().into(),
            objects: [].into(),
        }))
    }

    fn pace(&self) -> Pace {
        Pace::Live
    }

    fn name(&self) -> &str {
        &self.name
    }
}
