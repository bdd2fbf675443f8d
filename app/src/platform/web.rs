//! A browser.

use std::cell::RefCell;
use std::collections::HashMap;
use std::future::Future;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use eframe::egui::{Context, DroppedFileHandle};
pub use fpn_web_turn::pause;
use fpn_wgpu::Checkpoint;
use fpn_wgpu::gpu::Gpu;
use fpn_wgpu::models::faster_rcnn::PYRAMID_TINY;
use fpn_wgpu::models::{Architecture, Source};
use fpn_wgpu::weights::WeightsError;
use fpn_wgpu::weights::official::Known;
use image::RgbaImage;
use js_sys::{Function, Promise, Uint8Array};
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::{JsFuture, spawn_local};
use web_sys::ImageData;
use web_time::Instant;

use super::dialog::{CHECKPOINTS, Dialog};
use crate::action::Action;
use crate::engine::Fetched;
use crate::file::File;

#[wasm_bindgen(module = "/src/platform/web.js")]
extern "C" {
    #[wasm_bindgen(js_name = sleep)]
    fn after(milliseconds: f64) -> Promise;
    fn cameras() -> Promise;
    #[wasm_bindgen(js_name = openCamera)]
    fn open_camera(id: &str, width: u32, height: u32) -> Promise;
    #[wasm_bindgen(js_name = cameraPicture)]
    fn camera_picture(camera: &JsValue) -> Promise;
    #[wasm_bindgen(js_name = closeCamera)]
    fn close_camera(camera: &JsValue);
    fn refuse(told: &str);
    fn pick(accept: &str) -> Promise;
    #[wasm_bindgen(js_name = bytesOf)]
    fn bytes_of(file: &JsValue) -> Promise;
    fn download(name: &str, bytes: &[u8]);
    #[wasm_bindgen(js_name = fetchBytes)]
    fn fetch_bytes(url: &str, tell: &Function) -> Promise;
}

/// Whether a folder can be opened.
pub const HAS_FOLDERS: bool = false;

/// What may go to a task of its own: there is one thread.
pub trait MayMove {}

impl<T> MayMove for T {}

/// A task of its own.
pub struct Task;

impl Task {
    /// It goes on by itself: nothing may wait for it here.
    pub fn wait(self) {}
}

/// Let a task go on beside the window.
pub fn spawn(_name: &str, work: impl AsyncFnOnce() + 'static) -> Task {
    spawn_local(async move { work().await });
    Task
}

/// The same; there is nobody to stand back behind.
pub fn spawn_behind(name: &str, work: impl AsyncFnOnce() + 'static) {
    spawn(name, work);
}

/// Wait, in a task of one's own.
pub async fn sleep(duration: Duration) {
    let waited = JsFuture::from(after(duration.as_secs_f64() * 1e3)).await;
    waited.expect_throw("a timer ends");
}

thread_local! {
    /// Weights that came with the page.
    static BUILT_IN: RefCell<Option<Arc<[u8]>>> = const { RefCell::new(None) };
    /// Published weights that were fetched, by their file's name.
    static FETCHED: RefCell<HashMap<&'static str, Arc<[u8]>>> = RefCell::default();
}

/// Between two looks at what is waited for.
const BETWEEN_LOOKS: Duration = Duration::from_millis(10);

/// Tells a task that waits of a change, which it looks for by itself.
#[derive(Debug, Default)]
pub struct Signal;

impl Signal {
    /// Something changed.
    pub fn notify(&self) {}

    /// Wait for as long as it is so, or for so long.
    pub async fn wait_while<T>(
        &self,
        state: &Mutex<T>,
        duration: Option<Duration>,
        mut is_so: impl FnMut(&mut T) -> bool,
    ) {
        let began = Instant::now();
        while is_so(&mut state.lock().expect_throw("no panic holds the lock")) {
            let left = duration.map(|duration| duration.saturating_sub(began.elapsed()));
            match left {
                Some(Duration::ZERO) => return,
                left => sleep(left.map_or(BETWEEN_LOOKS, |left| left.min(BETWEEN_LOOKS))).await,
            }
        }
    }
}

/// Whether a detector can compute on the device that draws the window: the browser sees to it that the page goes on.
pub fn can_share(_gpu: &Gpu) -> bool {
    true
}

/// The device that draws the page is lost, and the page with it: its user is told.
pub fn lost(_context: &Context) {
    refuse("the browser lost the GPU that this page is drawn by: load the page again");
}

/// The weights that came with the page, of pyramid_tiny.
pub fn keep_built_in(bytes: Vec<u8>) {
    BUILT_IN.set(Some(bytes.into()));
}

/// The weights that come with the program.
pub fn built_in(architecture: Architecture) -> Option<Checkpoint> {
    let bytes = BUILT_IN.with_borrow(Option::clone)?;
    let checkpoint = Checkpoint::from_bytes(bytes.to_vec());
    checkpoint.ok().filter(|_| architecture == PYRAMID_TINY)
}

/// Ask for a file; what is to be done with it is told later, unless there is none. One that is to be written has its
/// usual name: the browser asks where to, or does not.
pub fn ask(dialog: Dialog, chosen: impl FnOnce(Action) + 'static) {
    if let Some((name, write)) = dialog.writes() {
        return chosen(write(name.into()));
    }
    let endings = CHECKPOINTS.map(|ending| format!(".{ending}"));
    let accept = match dialog {
        Dialog::Checkpoint => endings.join(","),
        _ => String::new(),
    };
    spawn_local(async move {
        let file = JsFuture::from(pick(&accept)).await;
        let Some(file) = file
            .ok()
            .and_then(|file| file.dyn_into::<web_sys::File>().ok())
        else {
            return;
        };
        let name = file.name();
        chosen(match JsFuture::from(bytes_of(&file)).await {
            Ok(bytes) => {
                let bytes = Uint8Array::from(bytes).to_vec();
                Action::Open(File::Memory(name.into(), bytes.into()))
            }
            Err(_) => Action::Refuse(format!("{name} cannot be read: it may be too large")),
        });
    });
}

/// A file that was dropped on the window.
pub fn dropped(file: &DroppedFileHandle, found: impl FnOnce(Result<File, String>) + 'static) {
    let file = file.clone();
    spawn_local(async move {
        let name = file.path().display().to_string();
        found(match file.bytes_async().await {
            Ok(bytes) => Ok(File::Memory(name.into(), bytes.into())),
            Err(error) => Err(format!("{name} cannot be read: {error}")),
        });
    });
}

/// No file has a path here.
pub fn is_checkpoint(_path: &Path) -> bool {
    false
}

/// No file has a path here.
///
/// # Errors
/// Always.
pub fn checkpoint(_path: &Path) -> Result<Checkpoint, WeightsError> {
    Err(std::io::Error::from(std::io::ErrorKind::Unsupported).into())
}

/// A camera of this device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CameraInfo {
    /// As the browser calls it.
    pub name: String,
    /// What [`Camera::open`] takes.
    pub id: String,
    /// No browser tells them.
    pub sizes: Vec<[u32; 2]>,
}

/// Why a camera gives no picture.
#[derive(Debug, thiserror::Error)]
pub enum CameraError {
    /// Somebody else has it.
    #[error("the camera {0}")]
    Busy(String),
    /// Any other reason.
    #[error("the camera {0}")]
    Other(String),
}

impl CameraError {
    /// What JavaScript threw when a camera was to be opened.
    fn of(thrown: &JsValue) -> Self {
        match told(thrown) {
            told if told.starts_with("is in use") => Self::Busy(told),
            told => Self::Other(told),
        }
    }
}

/// What JavaScript threw.
fn told(thrown: &JsValue) -> String {
    let text = thrown.as_string();
    text.unwrap_or_else(|| format!("fails: {thrown:?}"))
}

/// A camera that is taking pictures.
pub struct Camera(JsValue);

impl Camera {
    /// # Errors
    /// If there is none, or it may not be used.
    pub async fn open(id: &str, size: Option<[u32; 2]>) -> Result<Self, CameraError> {
        let [width, height] = size.unwrap_or([640, 480]);
        let id = if is_camera(id) { "" } else { id };
        let opened = JsFuture::from(open_camera(id, width, height)).await;
        let opened = opened.map_err(|thrown| CameraError::of(&thrown));
        opened.map(Self)
    }

    /// The newest picture.
    ///
    /// # Errors
    /// If it is unplugged, or no longer allowed.
    pub async fn next(&mut self) -> Result<RgbaImage, CameraError> {
        let other = |thrown: JsValue| CameraError::Other(told(&thrown));
        let taken = JsFuture::from(camera_picture(&self.0)).await;
        let taken: ImageData = taken.map_err(other)?.unchecked_into();
        let picture = RgbaImage::from_raw(taken.width(), taken.height(), taken.data().0);
        picture.ok_or_else(|| CameraError::Other("gives too few bytes".to_owned()))
    }
}

impl Drop for Camera {
    fn drop(&mut self) {
        close_camera(&self.0);
    }
}

/// Look which cameras this device has.
pub fn find_cameras(found: impl FnOnce(Vec<CameraInfo>) + 'static) {
    spawn_local(async move {
        let told = JsFuture::from(cameras()).await;
        let told: Vec<String> = told.map_or_else(
            |_| Vec::new(),
            |told| {
                let told = js_sys::Array::from(&told).to_vec();
                let told = told.into_iter();
                told.filter_map(|text| text.as_string()).collect()
            },
        );
        let (pairs, _) = told.as_chunks();
        let cameras = pairs.iter().map(|[id, name]| CameraInfo {
            name: name.clone(),
            id: id.clone(),
            sizes: Vec::new(),
        });
        found(cameras.collect());
    });
}

/// Whether that is what the browser's usual camera is opened by.
pub fn is_camera(name: &str) -> bool {
    name == "camera"
}

/// Fetch published weights, unless they are here.
pub fn fetch(
    known: Known,
    is_wanted: impl Fn() -> bool + 'static,
    tell: impl Fn(Fetched) + 'static,
    then: impl FnOnce(Result<(), String>) + 'static,
) {
    let name = known.file.file_name;
    if FETCHED.with_borrow(|all| all.contains_key(name)) {
        return then(Ok(()));
    }
    let folder = match known.file.source {
        Source::Folder(folder) => folder,
        Source::Page(page) => {
            return then(Err(format!("{name} must be fetched by hand, from {page}")));
        }
    };
    spawn_local(async move {
        let tell = Closure::<dyn FnMut(f64, f64) -> bool>::new(move |came: f64, of: f64| {
            tell(Fetched {
                bytes: came as u64,
                of: (of > 0.0).then_some(of as u64),
            });
            is_wanted()
        });
        let bytes = fetch_bytes(&format!("{folder}{name}"), tell.as_ref().unchecked_ref());
        then(match JsFuture::from(bytes).await {
            Err(thrown) => Err(format!("{name} cannot be fetched: {}", self::told(&thrown))),
            Ok(bytes) => {
                let bytes = Uint8Array::from(bytes).to_vec();
                FETCHED.with_borrow_mut(|all| all.insert(name, bytes.into()));
                Ok(())
            }
        });
    });
}

/// Published weights that were fetched.
///
/// # Errors
/// If they are broken, in a sentence.
pub fn fetched(known: &Known) -> Result<Checkpoint, String> {
    let name = known.file.file_name;
    let bytes = FETCHED.with_borrow(|all| all.get(name).cloned());
    let bytes = bytes.ok_or_else(|| format!("{name} is no longer here"))?;
    let opened = Checkpoint::from_bytes(bytes.to_vec());
    let opened = opened.map(|checkpoint| known.described(checkpoint));
    opened.map_err(|error| format!("{name} {error}"))
}

/// What comes of something that a device computes: a browser tells by itself.
pub async fn drive<T>(computed: impl Future<Output = T>, _gpu: Option<&Arc<Gpu>>) -> T {
    computed.await
}

/// A file to come, handed to the user when it is whole.
pub struct PendingFile {
    bytes: Vec<u8>,
    path: PathBuf,
}

impl PendingFile {
    /// # Errors
    /// None here.
    pub fn new(path: &Path) -> std::io::Result<Self> {
        Ok(Self {
            bytes: Vec::new(),
            path: path.to_owned(),
        })
    }

    /// It is whole.
    ///
    /// # Errors
    /// None here.
    pub fn finish(self) -> std::io::Result<()> {
        download(&self.path.to_string_lossy(), &self.bytes);
        Ok(())
    }
}

impl Write for PendingFile {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.bytes.write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// No browser tells.
pub fn resident_bytes() -> Option<u64> {
    None
}
