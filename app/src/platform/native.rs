//! A desktop.

use std::future::{Future, poll_fn};
use std::io::Write;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::pin::pin;
use std::sync::{Arc, Condvar, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use eframe::egui::{Context, DroppedFileHandle, ViewportCommand};
pub use fpn_camera::{CameraError, CameraInfo};
use fpn_wgpu::Checkpoint;
use fpn_wgpu::gpu::{Gpu, adapters};
use fpn_wgpu::models::Architecture;
use fpn_wgpu::weights::fetch::{News, Tell, WeightsFolder};
use fpn_wgpu::weights::official::Known;
use fpn_wgpu::weights::{self, WeightsError};
use image::RgbaImage;
use tempfile::NamedTempFile;

use super::dialog::{CHECKPOINTS, Dialog};
use crate::action::Action;
use crate::engine::Fetched;
use crate::file::File;

/// Whether a folder can be opened.
pub const HAS_FOLDERS: bool = true;

/// What may go to a task of its own, which is a thread.
pub trait MayMove: Send {}

impl<T: Send> MayMove for T {}

/// A task of its own.
pub struct Task(JoinHandle<()>);

impl Task {
    /// Until it is done.
    pub fn wait(self) {
        self.0.join().ok();
    }
}

/// Let a task go on beside the window.
pub fn spawn(name: &str, work: impl AsyncFnOnce() + MayMove + 'static) -> Task {
    let thread = std::thread::Builder::new().name(name.to_owned());
    let spawned = thread.spawn(move || pollster::block_on(work()));
    Task(spawned.unwrap_or_else(|error| panic!("no thread for the {name}: {error}")))
}

/// The same where the window comes first: all threads that are begun there, such as a software adapter's, stand back
/// too.
pub fn spawn_behind(name: &str, work: impl AsyncFnOnce() + MayMove + 'static) {
    spawn(name, async || {
        // Elsewhere this would be the whole program's.
        #[cfg(target_os = "linux")]
        rustix::process::nice(BEHIND).ok();
        work().await;
    });
}

/// How far threads stand back that may take all of the processor.
#[cfg(target_os = "linux")]
const BEHIND: i32 = 10;

/// Wait, in a task of one's own.
pub async fn sleep(duration: Duration) {
    std::thread::sleep(duration);
}

/// Let others have their turn: threads have it anyway.
pub async fn pause() {}

/// Tells a task that waits of a change.
#[derive(Debug, Default)]
pub struct Signal(Condvar);

impl Signal {
    /// Something changed.
    pub fn notify(&self) {
        self.0.notify_all();
    }

    /// Wait for as long as it is so, or for so long.
    pub async fn wait_while<T>(
        &self,
        state: &Mutex<T>,
        duration: Option<Duration>,
        is_so: impl FnMut(&mut T) -> bool,
    ) {
        let sound = "no panic holds the lock";
        let state = state.lock().expect(sound);
        match duration {
            None => drop(self.0.wait_while(state, is_so).expect(sound)),
            Some(duration) => drop(
                self.0
                    .wait_timeout_while(state, duration, is_so)
                    .expect(sound),
            ),
        }
    }
}

/// Whether a detector can compute on the device that draws the window without the window standing still: where it is
/// drawn by software, it would stall while a detector computes on the same queue.
pub fn can_share(gpu: &Gpu) -> bool {
    !adapters::is_software(gpu.info())
}

/// The device that draws the window is lost: another window follows.
pub fn lost(context: &Context) {
    context.send_viewport_cmd(ViewportCommand::Close);
}

/// Ask for a file; what is to be done with it is told from another thread, unless there is none.
pub fn ask(dialog: Dialog, chosen: impl FnOnce(Action) + MayMove + 'static) {
    spawn("dialog", async move || {
        let files = rfd::FileDialog::new();
        let open = |path| Action::Open(File::Path(path));
        let action = match (dialog.writes(), dialog) {
            (Some((name, write)), _) => files.set_file_name(name).save_file().map(write),
            (None, Dialog::Folder) => files.pick_folder().map(open),
            (None, Dialog::Checkpoint) => files
                .add_filter("Checkpoints", &CHECKPOINTS)
                .add_filter("All files", &["*"])
                .pick_file()
                .map(open),
            (None, _) => files.pick_file().map(open),
        };
        if let Some(action) = action {
            chosen(action);
        }
    });
}

/// A file that was dropped on the window.
pub fn dropped(file: &DroppedFileHandle, found: impl FnOnce(Result<File, String>)) {
    found(Ok(File::Path(file.path().to_owned())));
}

/// The weights that come with the program.
pub fn built_in(architecture: Architecture) -> Option<Checkpoint> {
    weights::builtin(architecture)
}

/// Whether a file begins as a checkpoint.
pub fn is_checkpoint(path: &Path) -> bool {
    Checkpoint::is_in(path)
}

/// The checkpoint in a file.
///
/// # Errors
/// As [`Checkpoint::open`].
pub fn checkpoint(path: &Path) -> Result<Checkpoint, WeightsError> {
    Checkpoint::open(path)
}

/// A camera that is taking pictures.
pub struct Camera(fpn_camera::Camera);

impl Camera {
    /// # Errors
    /// As [`fpn_camera::Camera::open`].
    pub async fn open(id: &str, size: Option<[u32; 2]>) -> Result<Self, CameraError> {
        fpn_camera::Camera::open(id, size).map(Self)
    }

    /// The newest picture.
    ///
    /// # Errors
    /// As [`fpn_camera::Camera::next`].
    pub async fn next(&mut self) -> Result<RgbaImage, CameraError> {
        let mut picture = RgbaImage::default();
        self.0.next(&mut picture)?;
        Ok(picture)
    }
}

/// Fetch published weights on a thread of their own, unless they are here. Once they are not wanted any more, that ends
/// by itself; what came until then is kept for the next time. `then` is told whether they are here, or why not.
pub fn fetch(
    known: Known,
    is_wanted: impl Fn() -> bool + Send + 'static,
    tell: impl Fn(Fetched) + Send + 'static,
    then: impl FnOnce(Result<(), String>) + Send + 'static,
) {
    spawn("fetch", async move || {
        let got = kept(known, None, &mut |news| {
            if let News::Came { bytes, of } = news {
                tell(Fetched { bytes, of });
            }
            match is_wanted() {
                true => ControlFlow::Continue(()),
                false => ControlFlow::Break(()),
            }
        });
        then(got.map(drop));
    });
}

/// Published weights that were fetched.
///
/// # Errors
/// If they are gone or cannot be read, in a sentence.
pub fn fetched(known: &Known) -> Result<Checkpoint, String> {
    let gone = "it is no longer here";
    let path = kept(*known, Some(gone), &mut |_| ControlFlow::Continue(()))?;
    let opened = Checkpoint::open(&path).map(|checkpoint| known.described(checkpoint));
    opened.map_err(|error| format!("{} {error}", path.display()))
}

fn kept(known: Known, forbidden: Option<&str>, tell: &mut Tell<'_>) -> Result<PathBuf, String> {
    let kept = WeightsFolder::usual().and_then(|folder| folder.get(known, forbidden, tell));
    kept.map_err(|error| error.to_string())
}

/// What comes of something that a device computes. It is asked for again and again: waiting for a device would hold up
/// the window that is drawn on it.
pub async fn drive<T>(computed: impl Future<Output = T>, gpu: Option<&Arc<Gpu>>) -> T {
    let mut computed = pin!(computed);
    poll_fn(|context| {
        let polled = computed.as_mut().poll(context);
        if polled.is_pending() {
            // That it is lost is told to who waits.
            gpu.map(|gpu| gpu.look());
            std::thread::sleep(BETWEEN_LOOKS);
            context.waker().wake_by_ref();
        }
        polled
    })
    .await
}

/// Between two looks at a device.
const BETWEEN_LOOKS: Duration = Duration::from_micros(300);

/// Whether that is what a camera is opened by.
pub fn is_camera(name: &str) -> bool {
    name.starts_with("/dev/video")
}

/// A file to come: written under a temporary name, so that there is never half of one.
pub struct PendingFile {
    temporary: NamedTempFile,
    path: PathBuf,
}

impl PendingFile {
    /// # Errors
    /// If there can be none of that path.
    pub fn new(path: &Path) -> std::io::Result<Self> {
        let folder = path
            .parent()
            .filter(|folder| !folder.as_os_str().is_empty());
        let temporary = tempfile::Builder::new()
            .prefix(".fpn-")
            .tempfile_in(folder.unwrap_or(Path::new(".")))?;
        Ok(Self {
            temporary,
            path: path.to_owned(),
        })
    }

    /// It is whole: give it its name.
    ///
    /// # Errors
    /// If it cannot have it.
    pub fn finish(self) -> std::io::Result<()> {
        self.temporary.persist(self.path)?;
        Ok(())
    }
}

impl Write for PendingFile {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.temporary.write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.temporary.flush()
    }
}

/// Look which cameras this machine has: on a thread of its own, since the user may have to allow it first.
pub fn find_cameras(found: impl FnOnce(Vec<CameraInfo>) + MayMove + 'static) {
    spawn("cameras", async move || found(fpn_camera::cameras()));
}

/// Resident memory of this program, where the system tells.
pub fn resident_bytes() -> Option<u64> {
    let told = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = told.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kibibytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kibibytes << 10)
}
