//! What is found, picture by picture, into a file: lines of JSON, or a video with boxes.

use std::error::Error;
use std::io::{BufWriter, Write};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use fpn_wgpu::annotate::annotate;
use fpn_wgpu::video::{Rate, Writer};
use fpn_wgpu::{Detection, FrameReport, VideoReport};
use futures_channel::mpsc::{Sender, channel};
use image::DynamicImage;

use crate::engine::Seen;
use crate::platform::{self, MayMove, PendingFile, Task};

/// Pictures that may wait to be written.
const WAITING: usize = 8;

/// Pictures a second that a recorded video says it has: as many as a scene or a usual camera gives.
const RATE: u32 = 30;

/// A recording that goes on on a thread of its own.
pub struct Recorder {
    sender: Sender<(Arc<Seen>, Vec<Detection>)>,
    task: Task,
    /// Pictures that could not be written as fast as they came.
    left_out: Arc<AtomicU64>,
}

/// The name of what was recorded, and how many pictures it is without; or why it is not whole.
pub type Ended = Result<(String, u64), String>;

impl Recorder {
    /// Begin a file; its ending says what it holds: `y4m` a video, anything else lines of JSON. `ended` is called once,
    /// when it is written to its end or cannot be.
    ///
    /// # Errors
    /// If the file cannot be made.
    pub fn new(path: &Path, ended: impl FnOnce(Ended) + MayMove + 'static) -> Result<Self, String> {
        let told = |error| format!("{} cannot be written: {error}", path.display());
        let file = PendingFile::new(path).map_err(told)?;
        let file = BufWriter::new(file);
        let is_video = path.extension().is_some_and(|ending| ending == "y4m");
        let mut form: Box<dyn Form> = match is_video {
            true => Box::new(Video {
                file: Some(file),
                writer: None,
                left_out: 0,
            }),
            false => Box::new(Lines {
                file,
                has_head: false,
            }),
        };
        let (sender, mut receiver) = channel::<(Arc<Seen>, Vec<Detection>)>(WAITING);
        let name = path.display().to_string();
        let left_out = Arc::new(AtomicU64::new(0));
        let missing = left_out.clone();
        let task = platform::spawn("recorder", async move || {
            let write = async move || -> Result<u64, Box<dyn Error>> {
                while let Ok((seen, visible)) = receiver.recv().await {
                    form.write(&seen, &visible)?;
                }
                form.end()
            };
            ended(match write().await {
                Ok(left_out) => Ok((name, left_out + missing.load(Ordering::Relaxed))),
                Err(error) => Err(format!("{name} cannot be written to its end: {error}")),
            });
        });
        Ok(Self {
            sender,
            task,
            left_out,
        })
    }

    /// No more pictures; what is waiting is still written.
    pub fn end(self) {
        drop(self.sender);
    }

    /// The same, and wait until it is.
    pub fn end_and_wait(self) {
        drop(self.sender);
        self.task.wait();
    }

    /// A picture with what is shown in it.
    pub fn write(&mut self, seen: &Arc<Seen>, visible: Vec<Detection>) {
        let sent = self.sender.try_send((seen.clone(), visible));
        if sent.is_err_and(|error| error.is_full()) {
            self.left_out.fetch_add(1, Ordering::Relaxed);
        }
    }
}

/// Give a file its name.
fn whole(file: BufWriter<PendingFile>) -> Written {
    let file = file.into_inner().map_err(|error| error.into_error())?;
    Ok(file.finish()?)
}

type Written = Result<(), Box<dyn Error>>;

/// A kind of file.
trait Form: MayMove {
    fn write(&mut self, seen: &Seen, visible: &[Detection]) -> Written;

    /// Write what is left; how many pictures it is without.
    fn end(self: Box<Self>) -> Result<u64, Box<dyn Error>>;
}

/// As `fpn detect` writes of a video.
struct Lines {
    file: BufWriter<PendingFile>,
    has_head: bool,
}

impl Form for Lines {
    fn write(&mut self, seen: &Seen, visible: &[Detection]) -> Written {
        if !self.has_head {
            let head = VideoReport {
                model: seen.model.config.architecture.name(),
                device: &seen.model.device,
                file: &seen.frame.name,
                rate: f64::from(RATE),
            };
            serde_json::to_writer(&mut self.file, &head)?;
            self.file.write_all(b"\n")?;
            self.has_head = true;
        }
        serde_json::to_writer(&mut self.file, &report(seen, visible))?;
        Ok(self.file.write_all(b"\n")?)
    }

    fn end(self: Box<Self>) -> Result<u64, Box<dyn Error>> {
        whole(self.file)?;
        Ok(0)
    }
}

/// What was found in a picture, as a line of a recording has it.
pub fn report<'a>(seen: &Seen, found: &'a [Detection]) -> FrameReport<'a> {
    FrameReport {
        frame: seen.frame.number,
        time: seen.frame.time,
        width: seen.detections.width,
        height: seen.detections.height,
        detections: found,
    }
}

/// A video of the first picture's size; others are left out.
struct Video {
    file: Option<BufWriter<PendingFile>>,
    writer: Option<(Writer<BufWriter<PendingFile>>, [u32; 2])>,
    left_out: u64,
}

impl Form for Video {
    fn write(&mut self, seen: &Seen, visible: &[Detection]) -> Written {
        let picture = &seen.frame.picture;
        let size = [picture.width(), picture.height()];
        if let Some(file) = self.file.take() {
            let rate = Rate::new(RATE, 1).ok_or("a rate is above 0")?;
            self.writer = Some((Writer::new(file, (size[0], size[1]), rate)?, size));
        }
        match &mut self.writer {
            Some((writer, expected)) if *expected == size => {
                let picture = DynamicImage::from(picture.as_ref().clone());
                writer.write(&annotate(&picture, visible))?;
            }
            _ => self.left_out += 1,
        }
        Ok(())
    }

    fn end(self: Box<Self>) -> Result<u64, Box<dyn Error>> {
        let written = self.writer.map(|(writer, _)| writer.into_inner());
        if let Some(file) = written.or(self.file) {
            whole(file)?;
        }
        Ok(self.left_out)
    }
}
