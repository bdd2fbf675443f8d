//! Webcams as sources of RGBA pictures: V4L2 on Linux, AVFoundation on macOS, Media Foundation on
//! Windows.
//!
//! Pictures are live. Frames that nobody took in time are dropped, so that what [`Camera::next`] gives is
//! always the newest, however long the one before it was worked on.

#![warn(missing_docs)]

use std::time::Duration;

use image::RgbaImage;

#[cfg(any(target_os = "macos", target_os = "windows"))]
mod desktop;
mod error;
mod format;
#[cfg(target_os = "linux")]
mod linux;
mod mode;
mod reader;
#[cfg(test)]
mod tests;

#[cfg(not(any(target_os = "linux", target_os = "macos", target_os = "windows")))]
compile_error!("fpn-camera reads cameras on Linux, macOS and Windows only");

#[cfg(any(target_os = "macos", target_os = "windows"))]
use desktop as platform;
#[cfg(target_os = "linux")]
use linux as platform;

pub use error::CameraError;

use reader::{MAX_BROKEN, RawFrame, Reader};

/// The size that is asked for where nobody wants another.
const USUAL_SIZE: [u32; 2] = [640, 480];

/// How long a frame may take to come.
const TIMEOUT: Duration = Duration::from_secs(5);

/// A camera of this machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CameraInfo {
    /// As the system calls it, such as "Integrated Camera".
    pub name: String,
    /// What [`Camera::open`] takes: on Linux the path of the device, such as `/dev/video0`.
    pub id: String,
    /// Width and height in pixels of the pictures that it offers, the largest first, each once. Empty where
    /// that is not known, as of a camera that is in use on Windows.
    pub sizes: Vec<[u32; 2]>,
}

/// The cameras of this machine whose pictures can be read. Those that cannot be asked, be it for want of
/// permission, are missing. On macOS the first call asks the user for permission, and waits for the answer.
pub fn cameras() -> Vec<CameraInfo> {
    platform::cameras()
}

/// A camera that is taking pictures. Dropped, it is free for others.
pub struct Camera {
    id: String,
    name: String,
    size: [u32; 2],
    reader: Reader,
    /// The last one taken, whose memory is used again.
    frame: RawFrame,
}

impl Camera {
    /// The camera with an id of [`cameras`], taking pictures of the offered size that is nearest to `size`
    /// (width and height in pixels), near 640×480 where it is none. Of a size's formats, one that is not
    /// compressed is taken unless it is slow. On macOS the first call asks the user for permission, and
    /// waits for the answer.
    ///
    /// # Errors
    /// If there is no such camera, it is busy, may not be used, has no format that is read, or fails to
    /// start.
    pub fn open(id: &str, size: Option<[u32; 2]>) -> Result<Self, CameraError> {
        let opened = platform::open(id, size.unwrap_or(USUAL_SIZE))?;
        Self::start(id, opened)
    }

    fn start(id: &str, opened: platform::Opened) -> Result<Self, CameraError> {
        let platform::Opened { name, size, source } = opened;
        let reader = Reader::start(name.clone(), source)?;
        Ok(Self {
            id: id.to_owned(),
            name,
            size,
            reader,
            frame: RawFrame::EMPTY,
        })
    }

    /// Width and height in pixels of the pictures, as the camera told last.
    pub fn size(&self) -> [u32; 2] {
        self.size
    }

    /// Makes `picture` the newest frame that was not given before, opaque, waiting for it if need be. Its
    /// memory is used again where it suffices. Single broken frames are skipped.
    ///
    /// # Errors
    /// If the camera was unplugged or fails, sends nothing for five seconds, or 30 broken frames in a row.
    /// What `picture` then holds is not told.
    pub fn next(&mut self, picture: &mut RgbaImage) -> Result<(), CameraError> {
        let mut reason = String::new();
        for _ in 0..MAX_BROKEN {
            if !self.reader.take(&mut self.frame, TIMEOUT)? {
                return Err(self.silence());
            }
            let RawFrame {
                format,
                size,
                stride,
                ref bytes,
            } = self.frame;
            match format::decode(format, size, stride, bytes, picture) {
                Ok(()) => {
                    self.size = size;
                    return Ok(());
                }
                Err(error) => reason = error.to_string(),
            }
        }
        Err(CameraError::Broken {
            camera: self.name.clone(),
            count: MAX_BROKEN,
            reason,
        })
    }

    /// Why nothing came: not every system tells that a camera was unplugged.
    fn silence(&self) -> CameraError {
        let camera = self.name.clone();
        match platform::is_plugged_in(&self.id) {
            true => CameraError::TimedOut {
                camera,
                seconds: TIMEOUT.as_secs(),
            },
            false => CameraError::Unplugged(camera),
        }
    }
}
