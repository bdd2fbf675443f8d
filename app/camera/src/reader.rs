//! A thread that reads a camera's frames as they come, and keeps only the newest.
//!
//! Drivers have few buffers, and once all are full the next frames are lost: what a program that was busy
//! for a while would then find is old. So each frame is taken at once and overwrites the one before it.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crate::CameraError;
use crate::format::Format;

/// Most broken frames in a row that are skipped.
pub const MAX_BROKEN: u32 = 30;

/// How long a source waits for a frame before it looks whether it is still wanted.
pub const PATIENCE: Duration = Duration::from_millis(50);

/// A frame as the camera sent it.
pub struct RawFrame {
    pub format: Format,
    /// Width and height in pixels.
    pub size: [u32; 2],
    /// Bytes from one row to the next, 0 where they follow each other without a gap.
    pub stride: usize,
    pub bytes: Vec<u8>,
}

impl RawFrame {
    pub const EMPTY: Self = Self {
        format: Format::Mjpeg,
        size: [0, 0],
        stride: 0,
        bytes: Vec::new(),
    };
}

/// What came of waiting for a frame.
pub enum Arrival {
    /// A frame that seems good.
    Frame,
    /// One that the driver itself calls broken.
    Broken,
    /// Nothing so far.
    Nothing,
}

/// A camera that sends frames.
pub trait Source: Send + 'static {
    /// Waits for the next frame, for [`PATIENCE`] at most.
    ///
    /// # Errors
    /// If no more frames will come.
    fn read(&mut self, frame: &mut RawFrame) -> Result<Arrival, CameraError>;
}

/// The thread; dropped, it lets the camera go.
pub struct Reader {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

struct Shared {
    newest: Mutex<Newest>,
    came: Condvar,
    is_over: AtomicBool,
}

struct Newest {
    frame: RawFrame,
    /// Whether nobody has taken it.
    is_fresh: bool,
    /// Why there will be no more.
    error: Option<CameraError>,
}

impl Reader {
    /// `camera` is what errors call it.
    ///
    /// # Errors
    /// If the system has no more threads.
    pub fn start(camera: String, source: impl Source) -> Result<Self, CameraError> {
        let shared = Arc::new(Shared {
            newest: Mutex::new(Newest {
                frame: RawFrame::EMPTY,
                is_fresh: false,
                error: None,
            }),
            came: Condvar::new(),
            is_over: AtomicBool::new(false),
        });
        let thread = std::thread::Builder::new()
            .name("camera".to_owned())
            .spawn({
                let (camera, shared) = (camera.clone(), Arc::clone(&shared));
                move || {
                    if let Err(error) = shared.read(&camera, source) {
                        shared.newest().error = Some(error);
                        shared.came.notify_all();
                    }
                }
            });
        let thread = thread.map_err(|error| CameraError::Failed {
            camera,
            task: "be read by a thread of its own",
            reason: error.to_string(),
        })?;
        Ok(Self {
            shared,
            thread: Some(thread),
        })
    }

    /// Exchanges `frame` for the newest one, each of which is given once; waits for it if need be. False
    /// if none came in that time.
    ///
    /// # Errors
    /// If none will come any more.
    pub fn take(&self, frame: &mut RawFrame, timeout: Duration) -> Result<bool, CameraError> {
        let end = Instant::now() + timeout;
        let mut newest = self.shared.newest();
        loop {
            if newest.is_fresh {
                newest.is_fresh = false;
                std::mem::swap(&mut newest.frame, frame);
                return Ok(true);
            }
            if let Some(error) = &newest.error {
                return Err(error.clone());
            }
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Ok(false);
            }
            let woken = self.shared.came.wait_timeout(newest, left);
            newest = woken.unwrap_or_else(PoisonError::into_inner).0;
        }
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        self.shared.is_over.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            // It would only tell of a panic, which has been printed.
            let _ = thread.join();
        }
    }
}

impl Shared {
    fn read(&self, camera: &str, mut source: impl Source) -> Result<(), CameraError> {
        let mut frame = RawFrame::EMPTY;
        let mut broken = 0;
        while !self.is_over.load(Ordering::Relaxed) {
            match source.read(&mut frame)? {
                Arrival::Frame => {
                    broken = 0;
                    let mut newest = self.newest();
                    std::mem::swap(&mut newest.frame, &mut frame);
                    newest.is_fresh = true;
                    self.came.notify_all();
                }
                Arrival::Broken => {
                    broken += 1;
                    if broken == MAX_BROKEN {
                        return Err(CameraError::Broken {
                            camera: camera.to_owned(),
                            count: broken,
                            reason: "is marked so by the driver".to_owned(),
                        });
                    }
                }
                Arrival::Nothing => {}
            }
        }
        Ok(())
    }

    fn newest(&self) -> MutexGuard<'_, Newest> {
        self.newest.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
