//! Cameras of macOS and Windows, by the crate `cameras`.

use cameras::{Device, Error, PixelFormat, Resolution, StreamConfig};

use crate::format::Format;
use crate::mode::{self, Mode};
use crate::reader::{self, Arrival, PATIENCE, RawFrame};
use crate::{CameraError, CameraInfo};

/// Frames per second that a camera is asked for.
const RATE: u32 = 30;

/// A camera that has begun to send.
pub struct Opened {
    /// How errors call it.
    pub name: String,
    /// Width and height in pixels.
    pub size: [u32; 2],
    pub source: Source,
}

pub fn cameras() -> Vec<CameraInfo> {
    let infos = aside(|| {
        let devices = cameras::devices().unwrap_or_default();
        let infos = devices.into_iter().map(|device| CameraInfo {
            sizes: modes(&device).map_or_else(|_| Vec::new(), |modes| mode::sizes(&modes)),
            name: device.name,
            id: device.id.0,
        });
        infos.collect()
    });
    infos.unwrap_or_default()
}

pub fn open(id: &str, wanted: [u32; 2]) -> Result<Opened, CameraError> {
    let opened = aside(|| {
        let devices = cameras::devices().map_err(|error| failure(id, id, "be listed", error))?;
        let device = devices.into_iter().find(|device| device.id.0 == id);
        let device = device.ok_or_else(|| CameraError::NotFound(id.to_owned()))?;
        start(device, wanted)
    });
    opened.unwrap_or_else(|| {
        Err(CameraError::Failed {
            camera: id.to_owned(),
            task: "start",
            reason: "the system's driver broke down".to_owned(),
        })
    })
}

pub fn is_plugged_in(id: &str) -> bool {
    match aside(cameras::devices) {
        Some(Ok(devices)) => devices.iter().any(|device| device.id.0 == id),
        // Who cannot be asked does not tell that it was unplugged.
        Some(Err(_)) | None => true,
    }
}

/// Runs it on a thread of its own: on Windows the caller's may have settled on a way of threading (COM's
/// apartments) in which cameras cannot be asked. None if it panicked.
fn aside<T: Send>(ask: impl FnOnce() -> T + Send) -> Option<T> {
    std::thread::scope(|scope| scope.spawn(ask).join().ok())
}

fn start(device: Device, wanted: [u32; 2]) -> Result<Opened, CameraError> {
    let Device { name, id, .. } = &device;
    let failed = |task| move |error| failure(name, &id.0, task, error);
    let modes = modes(&device).map_err(failed("tell its formats"))?;
    let mode = Mode::choose(&modes, wanted).ok_or_else(|| CameraError::UnknownFormat {
        camera: name.clone(),
        found: "nothing".to_owned(),
    })?;
    let open = |format| cameras::open(&device, config(&mode, format));
    let stream = match mode.format {
        // As which formats pass that the crate does not know.
        Format::Mjpeg => open(Format::Mjpeg).or_else(|_| open(Format::Nv12)),
        format => open(format),
    };
    let stream = stream.map_err(failed("start"))?;
    let Resolution { width, height } = stream.config.resolution;
    Ok(Opened {
        name: name.clone(),
        size: [width, height],
        source: Source {
            name: name.clone(),
            id: id.0.clone(),
            stream,
        },
    })
}

fn config(mode: &Mode, format: Format) -> StreamConfig {
    let [width, height] = mode.size;
    let most = mode.rate.map_or(RATE, |rate| rate.round() as u32);
    StreamConfig {
        resolution: Resolution { width, height },
        framerate: most.clamp(1, RATE),
        pixel_format: match format {
            Format::Yuyv => PixelFormat::Yuyv,
            Format::Mjpeg => PixelFormat::Mjpeg,
            Format::Bgrx => PixelFormat::Bgra8,
            _ => PixelFormat::Nv12,
        },
    }
}

/// As which formats a device's pictures can be had.
fn modes(device: &Device) -> Result<Vec<Mode>, Error> {
    let formats = cameras::probe(device)?.formats;
    let modes = formats.iter().map(|found| {
        let format = match found.pixel_format {
            // Whatever the camera sends, macOS makes it that.
            _ if cfg!(target_os = "macos") => Format::Bgrx,
            PixelFormat::Yuyv => Format::Yuyv,
            PixelFormat::Mjpeg => Format::Mjpeg,
            // Windows converts all others to it, even RGB, of which it is not told which row comes first.
            _ => Format::Nv12,
        };
        let Resolution { width, height } = found.resolution;
        let rate = found.framerate_range.max;
        Mode {
            format,
            size: [width, height],
            rate: (rate.is_finite() && rate > 0.0).then_some(rate),
        }
    });
    Ok(modes.collect())
}

/// A stream of frames.
pub struct Source {
    name: String,
    id: String,
    stream: cameras::Camera,
}

impl reader::Source for Source {
    fn read(&mut self, frame: &mut RawFrame) -> Result<Arrival, CameraError> {
        let found = match cameras::next_frame(&self.stream, PATIENCE) {
            Ok(found) => found,
            Err(Error::Timeout) => return Ok(Arrival::Nothing),
            Err(error) => return Err(failure(&self.name, &self.id, "send", error)),
        };
        frame.format = match found.pixel_format {
            PixelFormat::Bgra8 => Format::Bgrx,
            PixelFormat::Yuyv => Format::Yuyv,
            PixelFormat::Nv12 => Format::Nv12,
            PixelFormat::Mjpeg => Format::Mjpeg,
            other => {
                return Err(CameraError::UnknownFormat {
                    camera: self.name.clone(),
                    found: format!("{other:?}"),
                });
            }
        };
        frame.size = [found.width, found.height];
        frame.stride = found.stride as usize;
        frame.bytes.clear();
        frame.bytes.extend_from_slice(&found.plane_primary);
        // Where there are two planes, the other one follows.
        frame.bytes.extend_from_slice(&found.plane_secondary);
        Ok(match frame.bytes.is_empty() {
            true => Arrival::Broken,
            false => Arrival::Frame,
        })
    }
}

fn failure(name: &str, id: &str, task: &'static str, error: Error) -> CameraError {
    let camera = name.to_owned();
    match error {
        Error::PermissionDenied => CameraError::Refused(camera),
        Error::DeviceInUse => CameraError::Busy(camera),
        Error::DeviceNotFound(_) => CameraError::NotFound(camera),
        // What a camera that goes leaves behind has no name of its own.
        _ if !is_plugged_in(id) => CameraError::Unplugged(camera),
        error => CameraError::Failed {
            camera,
            task,
            reason: error.to_string(),
        },
    }
}
