//! A webcam.

use std::sync::Arc;
use std::time::Duration;

use image::RgbaImage;
use image::imageops::flip_horizontal_in_place;
use web_time::Instant;

use super::{Control, Frame, Pace, Source, SourceError};
use crate::platform::{Camera, CameraError};

/// How long a camera that was in use a moment ago may still be.
const LETS_GO: Duration = Duration::from_secs(2);

/// A camera as a source.
pub struct CameraSource {
    id: String,
    name: String,
    camera: Option<Camera>,
    size: Option<[u32; 2]>,
    began: Option<Instant>,
    number: u64,
}

impl CameraSource {
    /// The camera with that id, opened when the first picture is asked for.
    pub fn new(id: &str, name: &str, size: Option<[u32; 2]>) -> Self {
        Self {
            id: id.to_owned(),
            name: name.to_owned(),
            camera: None,
            size,
            began: None,
            number: 0,
        }
    }

    async fn opened(&self, control: &Control) -> Result<Camera, CameraError> {
        let began = Instant::now();
        loop {
            match Camera::open(&self.id, self.size).await {
                // Until now it was perhaps ours, in another size.
                Err(CameraError::Busy(_)) if began.elapsed() < LETS_GO && !control.is_called() => {
                    control.wait(Duration::from_millis(50)).await;
                }
                opened => return opened,
            }
        }
    }

    async fn taken(&mut self, control: &Control) -> Result<RgbaImage, CameraError> {
        let mut camera = match self.camera.take() {
            Some(camera) => camera,
            None => self.opened(control).await?,
        };
        let picture = camera.next().await?;
        self.camera = Some(camera);
        Ok(picture)
    }
}

impl Source for CameraSource {
    async fn next(&mut self, control: &Control) -> Result<Option<Frame>, SourceError> {
        // After an error it is opened anew, when somebody asks for it.
        let taken = self.taken(control).await;
        let mut picture = taken.map_err(|error| SourceError(error.to_string()))?;
        if control.is_mirrored() {
            flip_horizontal_in_place(&mut picture);
        }
        let began = *self.began.get_or_insert_with(Instant::now);
        let number = self.number;
        self.number += 1;
        Ok(Some(Frame {
            number,
            time: began.elapsed().as_secs_f64(),
            ..Frame::new(Arc::new(picture), &self.name)
        }))
    }

    fn pace(&self) -> Pace {
        Pace::Live
    }
}
