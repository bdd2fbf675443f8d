//! Cameras of Linux, by V4L2.

use std::io;
use std::path::{Path, PathBuf};

use linuxvideo::format::{FrameIntervals, FrameSizes, PixFormat, PixelFormat};
use linuxvideo::stream::ReadStream;
use linuxvideo::{BufType, CapabilityFlags, Device, Fract};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;

use crate::format::Format;
use crate::mode::{self, Mode};
use crate::reader::{self, Arrival, PATIENCE, RawFrame};
use crate::{CameraError, CameraInfo};

mod steps;
#[cfg(test)]
mod vivid;

use steps::Steps;

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
    let mut numbers: Vec<u32> = std::fs::read_dir("/dev")
        .into_iter()
        .flatten()
        .filter_map(|entry| {
            let name = entry.ok()?.file_name();
            name.to_str()?.strip_prefix("video")?.parse().ok()
        })
        .collect();
    numbers.sort_unstable();
    let paths = numbers.iter().map(|number| format!("/dev/video{number}"));
    paths.filter_map(info).collect()
}

/// None of what is no camera, or has no format that is read.
fn info(id: String) -> Option<CameraInfo> {
    let device = Device::open(&id).ok().filter(captures)?;
    let modes = modes(&device, None);
    let name = name(Path::new(&id)).unwrap_or_else(|| id.clone());
    (!modes.is_empty()).then(|| CameraInfo {
        name,
        sizes: mode::sizes(&modes),
        id,
    })
}

pub fn open(id: &str, wanted: [u32; 2]) -> Result<Opened, CameraError> {
    open_mode(id, wanted, |_| true)
}

pub fn is_plugged_in(id: &str) -> bool {
    Path::new(id).exists()
}

/// As [`open`] does it, but of the modes only those that are allowed.
fn open_mode(
    id: &str,
    wanted: [u32; 2],
    is_allowed: impl Fn(&Mode) -> bool,
) -> Result<Opened, CameraError> {
    let path = Path::new(id);
    let name = match name(path) {
        Some(name) => format!("{name} ({id})"),
        None => id.to_owned(),
    };
    let device = Device::open(path).map_err(|error| open_error(&name, &error))?;
    if !captures(&device) {
        return Err(CameraError::NotACamera(name));
    }
    let mut modes = modes(&device, Some(wanted));
    modes.retain(is_allowed);
    let Some(mode) = Mode::choose(&modes, wanted) else {
        let codes = formats(&device).map(|format| format.to_string());
        let found = match codes.collect::<Vec<_>>().join(", ") {
            none if none.is_empty() => "nothing".to_owned(),
            found => found,
        };
        return Err(CameraError::UnknownFormat {
            camera: name,
            found,
        });
    };
    let failed = |task| {
        let name = name.clone();
        move |error: io::Error| failure(name, path, task, &error)
    };
    let [width, height] = mode.size;
    let device = device
        .video_capture(PixFormat::new(width, height, code(mode.format)))
        .map_err(failed("take a format"))?;
    // The driver may have chosen otherwise.
    let taken = device.format();
    let Some(format) = known(taken.pixel_format()) else {
        return Err(CameraError::UnknownFormat {
            camera: name,
            found: taken.pixel_format().to_string(),
        });
    };
    let size = [taken.width(), taken.height()];
    let stride = taken.bytes_per_line() as usize;
    // Not every driver lets it be chosen; then its own rate will do.
    let _ = device.set_frame_interval(Fract::new(1, RATE));
    let stream = device.into_stream().map_err(failed("start"))?;
    let source = Source {
        name: name.clone(),
        path: path.to_owned(),
        stream,
        format,
        size,
        stride,
    };
    Ok(Opened { name, size, source })
}

/// A stream of frames.
pub struct Source {
    name: String,
    path: PathBuf,
    stream: ReadStream,
    format: Format,
    size: [u32; 2],
    stride: usize,
}

impl reader::Source for Source {
    fn read(&mut self, frame: &mut RawFrame) -> Result<Arrival, CameraError> {
        let failed = |error: io::Error| failure(self.name.clone(), &self.path, "send", &error);
        // Without it the stream would wait for a frame for ever.
        match poll(&mut [PollFd::new(&self.stream, PollFlags::IN)], Some(&SOON)) {
            Ok(0) | Err(Errno::INTR) => return Ok(Arrival::Nothing),
            Ok(_) => {}
            Err(error) => return Err(failed(error.into())),
        }
        let read = self.stream.dequeue(|view| {
            if view.is_error() || view.is_empty() {
                return Ok(Arrival::Broken);
            }
            frame.format = self.format;
            frame.size = self.size;
            frame.stride = self.stride;
            frame.bytes.clear();
            frame.bytes.extend_from_slice(&view);
            Ok(Arrival::Frame)
        });
        read.or_else(|error| match error.kind() {
            io::ErrorKind::Interrupted | io::ErrorKind::WouldBlock => Ok(Arrival::Nothing),
            _ => Err(failed(error)),
        })
    }
}

const SOON: Timespec = Timespec {
    tv_sec: 0,
    tv_nsec: PATIENCE.subsec_nanos() as _,
};
const _: () = assert!(PATIENCE.as_secs() == 0 && !PATIENCE.is_zero());

/// What the system calls a device. `Device::capabilities` has a name too, but panics where a driver cut
/// it in the middle of a character.
fn name(path: &Path) -> Option<String> {
    let path = path.canonicalize().ok()?;
    let name = Path::new("/sys/class/video4linux")
        .join(path.file_name()?)
        .join("name");
    let name = std::fs::read(name).ok()?;
    let name = String::from_utf8_lossy(&name).trim().to_owned();
    (!name.is_empty()).then_some(name)
}

/// Whether it gives pictures as they are read here. Where a media controller has to be set up before, as
/// for the sensors of some boards, it does not.
fn captures(device: &Device) -> bool {
    let needed = CapabilityFlags::VIDEO_CAPTURE | CapabilityFlags::STREAMING;
    let capabilities = device.capabilities();
    let capabilities = capabilities.map(|found| found.device_capabilities());
    capabilities
        .is_ok_and(|found| found.contains(needed) && !found.contains(CapabilityFlags::IO_MC))
}

fn formats(device: &Device) -> impl Iterator<Item = PixelFormat> {
    let formats = device.formats(BufType::VIDEO_CAPTURE);
    formats
        .map_while(Result::ok)
        .map(|format| format.pixel_format())
}

/// The modes of a device whose formats are read. Where sizes lie in a range, the usual ones, and the
/// wanted one as nearly as it has it.
fn modes(device: &Device, wanted: Option<[u32; 2]>) -> Vec<Mode> {
    let mut modes = Vec::new();
    for code in formats(device) {
        let Some(format) = known(code) else { continue };
        for size in sizes(device, code, wanted) {
            let rate = rate(device, code, size);
            modes.push(Mode { format, size, rate });
        }
    }
    modes
}

fn sizes(device: &Device, code: PixelFormat, wanted: Option<[u32; 2]>) -> Vec<[u32; 2]> {
    match device.frame_sizes(code) {
        Ok(FrameSizes::Discrete(sizes)) => {
            let sizes = sizes.iter().map(|size| [size.width(), size.height()]);
            sizes.collect()
        }
        Ok(FrameSizes::Stepwise(range) | FrameSizes::Continuous(range)) => Steps {
            min: [range.min_width(), range.min_height()],
            max: [range.max_width(), range.max_height()],
            step: [range.step_width(), range.step_height()],
        }
        .sizes(wanted),
        // A driver need not list them, but has one.
        Err(_) => match device.format(BufType::VIDEO_CAPTURE) {
            Ok(linuxvideo::format::Format::VideoCapture(format)) => {
                vec![[format.width(), format.height()]]
            }
            _ => Vec::new(),
        },
    }
}

/// Most frames per second, if the driver tells.
fn rate(device: &Device, code: PixelFormat, [width, height]: [u32; 2]) -> Option<f64> {
    let rate =
        |interval: &Fract| f64::from(interval.denominator()) / f64::from(interval.numerator());
    let rates = match device.frame_intervals(code, width, height).ok()? {
        FrameIntervals::Discrete(intervals) => {
            let rates = intervals.iter().map(|interval| rate(interval.fract()));
            rates.fold(0.0, f64::max)
        }
        FrameIntervals::Stepwise(range) | FrameIntervals::Continuous(range) => rate(range.min()),
    };
    (rates.is_finite() && rates > 0.0).then_some(rates)
}

fn code(format: Format) -> PixelFormat {
    match format {
        Format::Yuyv => PixelFormat::YUYV,
        Format::Nv12 => PixelFormat::from_fourcc(*b"NV12"),
        Format::Rgb => PixelFormat::RGB3,
        Format::Bgr => PixelFormat::BGR3,
        Format::Bgrx => PixelFormat::XBGR32,
        Format::Mjpeg => PixelFormat::MJPG,
        Format::Grey => PixelFormat::from_fourcc(*b"GREY"),
    }
}

fn known(code: PixelFormat) -> Option<Format> {
    let format = match &code.as_fourcc() {
        b"YUYV" => Format::Yuyv,
        b"NV12" => Format::Nv12,
        b"RGB3" => Format::Rgb,
        b"BGR3" => Format::Bgr,
        b"XR24" => Format::Bgrx,
        b"MJPG" => Format::Mjpeg,
        b"GREY" => Format::Grey,
        _ => return None,
    };
    Some(format)
}

/// Why a device cannot be opened at all.
fn open_error(name: &str, error: &io::Error) -> CameraError {
    match Errno::from_io_error(error) {
        Some(Errno::NOENT | Errno::NODEV | Errno::NXIO | Errno::NOTDIR) => {
            CameraError::NotFound(name.to_owned())
        }
        // What is no video device does not know the question for its capabilities.
        Some(Errno::NOTTY | Errno::INVAL | Errno::ISDIR) => {
            CameraError::NotACamera(name.to_owned())
        }
        _ => failure(name.to_owned(), Path::new("/"), "open", error),
    }
}

/// Why a device that was there fails.
fn failure(camera: String, path: &Path, task: &'static str, error: &io::Error) -> CameraError {
    match Errno::from_io_error(error) {
        Some(Errno::ACCESS | Errno::PERM) => CameraError::Refused(camera),
        Some(Errno::BUSY) => CameraError::Busy(camera),
        Some(Errno::NODEV | Errno::NXIO) => CameraError::Unplugged(camera),
        // While a camera goes, a driver may tell other errors.
        _ if !path.exists() => CameraError::Unplugged(camera),
        _ => CameraError::Failed {
            camera,
            task,
            reason: error.to_string(),
        },
    }
}
