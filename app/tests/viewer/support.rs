//! A viewer without a window.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use eframe::egui::vec2;
use egui_kittest::{Harness, SnapshotOptions};
use fpn_viewer::{Choice, DeviceChoice, Start, State, Viewer};
use fpn_wgpu::data::scenes::Scene;
use fpn_wgpu::gpu::adapters;

/// How long anything may take on a slow machine that does something else besides.
const PATIENCE: Duration = Duration::from_secs(120);

/// A viewer of that size in points that looks at a file; at the scene where there is none.
pub fn open(size: [f32; 2], source: Option<&Path>) -> Harness<'static, Viewer> {
    on(DeviceChoice::Cpu, size, source)
}

/// The same where the detector computes on a device.
pub fn on(
    device: DeviceChoice,
    [width, height]: [f32; 2],
    source: Option<&Path>,
) -> Harness<'static, Viewer> {
    let start = Start {
        choice: Choice {
            device,
            ..Choice::default()
        },
        source: source.map(|path| path.display().to_string()),
        ..Start::default()
    };
    Harness::builder()
        .with_size(vec2(width, height))
        .wgpu_setup(fpn_viewer::setup())
        .build_eframe(|creation| Viewer::new(creation, start))
}

/// Frame after frame, until something is so.
pub fn until(harness: &mut Harness<'_, Viewer>, what: &str, is_so: impl Fn(&State) -> bool) {
    let began = Instant::now();
    loop {
        harness.step();
        let state = harness.state().state();
        if is_so(state) {
            harness.step();
            return;
        }
        let told: Vec<&str> = state
            .messages
            .iter()
            .map(|message| message.text.as_str())
            .collect();
        assert!(
            began.elapsed() < PATIENCE,
            "{what}: not within {PATIENCE:?}; told: {told:?}"
        );
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// Until a picture is there in which something was found.
pub fn until_found(harness: &mut Harness<'_, Viewer>) {
    until(harness, "something is found", |state| {
        let shown = state.shown.as_ref();
        shown.is_some_and(|seen| state.visible(seen).next().is_some())
    });
}

/// Until it is known how what is shown came to be.
pub fn until_inspected(harness: &mut Harness<'_, Viewer>) {
    until(harness, "it is found out how", |state| {
        state.inspection().is_some()
    });
}

/// Leave what is drawn in target/viewer.
pub fn picture(harness: &mut Harness<'_, Viewer>, name: &str) -> image::RgbaImage {
    let drawn = harness.render().expect("this machine's adapter draws");
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("../viewer");
    std::fs::create_dir_all(&folder).expect("a folder can be made");
    drawn
        .save(folder.join(name).with_extension("png"))
        .expect("a picture can be written");
    drawn
}

/// Compare what is drawn with the picture of that name in `snapshots`, but for the line at the bottom, which tells times.
/// `UPDATE_SNAPSHOTS=1` writes it anew.
pub fn compare(harness: &mut Harness<'_, Viewer>, name: &str) {
    harness.state_mut().dismiss_messages();
    harness.run_steps(4);
    let drawn = picture(harness, name);
    let (width, height) = drawn.dimensions();
    let above = image::imageops::crop_imm(&drawn, 0, 0, width, height - BOTTOM).to_image();
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/viewer/snapshots");
    // Drivers draw edges of shapes and of text each a little differently.
    let adapter = pollster::block_on(adapters::best()).expect("this machine's adapter draws");
    let is_known = adapter.get_info().name.starts_with("llvmpipe");
    let pixels = if is_known { 20 } else { 5000 };
    let options = SnapshotOptions::default()
        .output_path(folder)
        .max_failed_pixels(pixels);
    egui_kittest::image_snapshot_options(&above, name, &options);
}

/// Height of the line at the bottom, in pixels.
const BOTTOM: u32 = 36;

/// A folder of a test's own, with a scene in it as a picture.
pub fn scene(folder: &tempfile::TempDir, seed: u64) -> PathBuf {
    let path = folder.path().join(format!("scene{seed}.png"));
    let scene = Scene::draw(seed, [480, 640]);
    scene.picture.save(&path).expect("a picture can be written");
    path
}

/// A folder of a test's own.
pub fn folder() -> tempfile::TempDir {
    tempfile::tempdir().expect("a folder can be made")
}
