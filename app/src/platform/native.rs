//! A desktop.

use std::future::{Future, poll_fn};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::pin::pin;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use fpn_camera::CameraInfo;
use fpn_wgpu::gpu::Gpu;
use fpn_wgpu::models::Stage;
use fpn_wgpu::weights::fetch::{News, Tell, WeightsFolder};
use fpn_wgpu::weights::official::Known;
use fpn_wgpu::{Checkpoint, DetectError, Detections, FeatureMap, Pending};
use image::{DynamicImage, ImageFormat};

use crate::engine::Fetched;

/// Let a thread do something.
pub fn spawn(name: &str, work: impl FnOnce() + Send + 'static) -> JoinHandle<()> {
    let thread = std::thread::Builder::new().name(name.to_owned());
    let spawned = thread.spawn(work);
    spawned.unwrap_or_else(|error| panic!("no thread for the {name}: {error}"))
}

/// The same where the window comes first: all threads that are begun there, such as a software adapter's, stand back
/// too.
pub fn spawn_behind(name: &str, work: impl FnOnce() + Send + 'static) {
    spawn(name, || {
        // Elsewhere this would be the whole program's.
        #[cfg(target_os = "linux")]
        rustix::process::nice(BEHIND).ok();
        work();
    });
}

/// How far threads stand back that may take all of the processor.
#[cfg(target_os = "linux")]
const BEHIND: i32 = 10;

/// Wait on a thread of one's own.
pub fn sleep(duration: Duration) {
    std::thread::sleep(duration);
}

/// What a dialog is for.
#[derive(Clone, Copy, Debug)]
pub enum Dialog {
    /// A picture or a video.
    Picture,
    /// A folder of pictures.
    Folder,
    /// A checkpoint.
    Checkpoint,
    /// A picture with boxes, to be written.
    SaveAnnotated,
    /// A picture, to be written.
    SavePicture,
    /// Lines of JSON, to be written.
    RecordJson,
    /// A video, to be written.
    RecordVideo,
}

/// Ask for a file; `chosen` is called on another thread, and not at all where none was chosen.
pub fn ask(dialog: Dialog, chosen: impl FnOnce(PathBuf) + Send + 'static) {
    spawn("dialog", move || {
        let files = rfd::FileDialog::new();
        let path = match dialog {
            Dialog::Picture => files.pick_file(),
            Dialog::Folder => files.pick_folder(),
            Dialog::Checkpoint => files
                .add_filter("Checkpoints", &["pth", "pt", "safetensors", "ckpt", "tar"])
                .add_filter("All files", &["*"])
                .pick_file(),
            Dialog::SaveAnnotated => files.set_file_name("found.png").save_file(),
            Dialog::SavePicture => files.set_file_name("picture.png").save_file(),
            Dialog::RecordJson => files.set_file_name("found.jsonl").save_file(),
            Dialog::RecordVideo => files.set_file_name("found.y4m").save_file(),
        };
        if let Some(path) = path {
            chosen(path);
        }
    });
}

/// Fetch published weights on a thread of their own, unless they are here. Once they are not wanted any more, that ends
/// by itself; what came until then is kept for the next time. `then` is told whether they are here, or why not.
pub fn fetch(
    known: Known,
    is_wanted: impl Fn() -> bool + Send + 'static,
    tell: impl Fn(Fetched) + Send + 'static,
    then: impl FnOnce(Result<(), String>) + Send + 'static,
) {
    spawn("fetch", move || {
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
    let opened = known.open(&path);
    opened.map_err(|error| format!("{} {error}", path.display()))
}

fn kept(known: Known, forbidden: Option<&str>, tell: &mut Tell<'_>) -> Result<PathBuf, String> {
    let kept = WeightsFolder::usual().and_then(|folder| folder.get(known, forbidden, tell));
    kept.map_err(|error| error.to_string())
}

/// Run a task on a thread of its own.
pub fn run(task: impl Future<Output = ()>) {
    pollster::block_on(task);
}

/// What was found in a picture that is being looked at, and the seconds that each part took. It is asked for again and again: waiting for a device would
/// hold up the window that is drawn on it.
///
/// # Errors
/// As [`Pending::finish_timed`].
pub async fn finish(
    pending: Pending<'_>,
    gpu: Option<&Arc<Gpu>>,
) -> Result<((Detections, Vec<FeatureMap>), Vec<(Stage, f64)>), DetectError> {
    let mut finished = pin!(pending.finish_timed());
    poll_fn(|context| {
        let polled = finished.as_mut().poll(context);
        if polled.is_pending() {
            // That it is lost is told to who waits.
            gpu.map(|gpu| gpu.look());
            sleep(BETWEEN_LOOKS);
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

/// Write a picture, its format by the file's ending: to a temporary name first, so that there is never half of one.
///
/// # Errors
/// If it cannot be written, in a sentence.
pub fn save_picture(path: &Path, picture: &DynamicImage) -> Result<(), String> {
    let told =
        |error: &dyn std::fmt::Display| format!("{} cannot be written: {error}", path.display());
    let format = ImageFormat::from_path(path).map_err(|error| told(&error))?;
    let folder = path
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty());
    let file = tempfile::Builder::new()
        .prefix(".fpn-")
        .tempfile_in(folder.unwrap_or(Path::new(".")));
    let file = file.map_err(|error| told(&error))?;
    let mut writer = std::io::BufWriter::new(file);
    picture
        .write_to(&mut writer, format)
        .map_err(|error| told(&error))?;
    let file = writer.into_inner().map_err(|error| told(&error))?;
    file.persist(path).map_err(|error| told(&error))?;
    Ok(())
}

/// Look which cameras this machine has: on a thread of its own, since the user may have to allow it first.
pub fn find_cameras(found: impl FnOnce(Vec<CameraInfo>) + Send + 'static) {
    spawn("cameras", move || found(fpn_camera::cameras()));
}

/// Resident memory of this program, where the system tells.
pub fn resident_bytes() -> Option<u64> {
    let told = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = told.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kibibytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kibibytes << 10)
}
